const THEMES = ["auto", "light", "dark"] as const;

type Theme = (typeof THEMES)[number];

/** The colours of a page: the system's, or chosen. */
export function Themes({ theme, set }: { theme: Theme; set: (theme: Theme) => void }) {
  return (
    <div class="tools tabs" role="radiogroup" aria-label="Colours of the page">
      {THEMES.map((one) => (
        <label key={one}>
          <input type="radio" name="theme" checked={theme === one} onChange={() => set(one)} />
          <span>{one}</span>
        </label>
      ))}
    </div>
  );
}
