// The console's own scripts. Every page works without them; they add live counters, keys, selection and copying.

import { startCopying } from "./copying.js";
import { startForms } from "./forms.js";
import { startHistogram } from "./histogram.js";
import { startKeyboard } from "./keyboard.js";
import { startLive } from "./live.js";
import { startRefresh } from "./refresh.js";
import { startSelection } from "./selection.js";

startForms();
startSelection();
startKeyboard();
startCopying();
startHistogram();
startLive();
startRefresh();

// After a refused form the summary gets the focus, so that it is read first (WCAG 3.3.1).
document.getElementById("erreurs")?.focus();
