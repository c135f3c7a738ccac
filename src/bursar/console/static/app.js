// Everything here adds to pages that already answer without it.
import { startMenus } from "./menus.js";
import { startKeys } from "./keys.js";
import { startCharts } from "./chart.js";
import { startCopy } from "./copy.js";
import { startLive } from "./live.js";
import { startOffers } from "./offers.js";

document.documentElement.classList.add("js");
document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
startMenus();
startKeys();
startCharts(document);
startCopy();
startOffers();
startLive(startCharts);
