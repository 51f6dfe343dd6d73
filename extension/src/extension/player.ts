// Entry of the player page, in the extension.

import { startPlayer } from "../player/page";
import { connectPage } from "./connect";

startPlayer(connectPage());
