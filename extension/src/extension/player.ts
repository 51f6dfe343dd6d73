// Entry of the player page in the extension.

import "./sentences";
import { startPlayer } from "../player/page";
import { connectPage } from "./connect";

startPlayer(connectPage());
