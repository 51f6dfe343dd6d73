// Entry of the app page: the list, on a server.

import { startList } from "../list/page";
import { connectPage } from "./connect";

startList(connectPage(), () => {});
