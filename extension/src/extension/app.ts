// Entry of the app page: the list, in the extension.

import "./speak";
import { startList } from "../list/page";
import { connectPage } from "./connect";
import { onAddLink } from "./platform";

startList(connectPage(), onAddLink);
