import { render } from "preact";
import { App } from "./app/App";
import { keepToken } from "./app/api";
import "./page.css";
import "./app.css";

keepToken();
const place = document.getElementById("page");
if (place) render(<App />, place);
