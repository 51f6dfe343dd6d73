// Entry of the player page on a server.

import "./sentences";
import { startPlayer } from "../player/page";
import { connectPage } from "./connect";

startPlayer(connectPage());
