import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defineConfig, type Plugin } from "vite";

/** Licences of the packages in the bundle, in a comment at its head. */
function notices(): Plugin {
  return {
    name: "notices",
    enforce: "post",
    generateBundle(_, bundle) {
      const roots = new Set<string>();
      for (const id of this.getModuleIds()) {
        const root = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1];
        if (root) roots.add(root);
      }
      const texts = [...roots].sort().map((root) => {
        const about = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
        const licence = ["LICENSE", "LICENSE.md", "LICENCE"].flatMap((name) => {
          try {
            return [readFileSync(join(root, name), "utf8").trim()];
          } catch {
            return [];
          }
        })[0];
        if (!licence) throw new Error(`${about.name} has no licence text`);
        return `${about.name} ${about.version} (${about.license})\n\n${licence}`;
      });
      const line = `\n\n${"-".repeat(72)}\n\n`;
      const head = `/*!\nThis page contains:\n\n${texts.join(line).replaceAll("*/", "* /")}\n*/\n`;
      for (const file of Object.values(bundle))
        if (file.type === "chunk") file.code = head + file.code;
    },
  };
}

/** Two pages: `page`, which each report carries, and `app` (--mode app), which the server serves. */
export default defineConfig(({ mode }) => ({
  plugins: [notices()],
  define: { "process.env.NODE_ENV": '"production"' },
  build: {
    outDir: "../src/impactree/web",
    emptyOutDir: mode !== "app",
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    reportCompressedSize: false,
    lib: {
      entry: join(
        dirname(new URL(import.meta.url).pathname),
        mode === "app" ? "src/app.tsx" : "src/main.tsx",
      ),
      formats: ["iife"],
      name: "impactree",
      fileName: () => (mode === "app" ? "app.js" : "page.js"),
      cssFileName: mode === "app" ? "app" : "page",
    },
  },
}));
