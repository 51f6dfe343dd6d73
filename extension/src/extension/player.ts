// Entry of the player page in the extension.

import "./speak";
import { startPlayer } from "../player/page";
import { connectPage } from "./connect";

startPlayer(connectPage());
