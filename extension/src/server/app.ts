// Entry of the app page: the list, on a server.

import "./speak";
import { startList } from "../list/page";
import { connectPage } from "./connect";

startList(connectPage(), () => {});
