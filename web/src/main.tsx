import { render } from "preact";
import { type PageData, shownOf } from "./data";
import { Page } from "./views/Page";
import "./page.css";

const [place, data] = ["page", "data"].map((id) => document.getElementById(id));
if (place && data)
  render(<Page data={shownOf(JSON.parse(data.textContent ?? "") as PageData)} />, place);
