// Entry of the page that asks for the server's token, and says where to find it.

import "./sentences";
import { html, nothing, render } from "lit";
import { t } from "../text/messages";
import * as icons from "../ui/icons";

const address = new URL(location.href);
/** The given token was wrong. */
const isWrong = address.searchParams.has("token");
address.searchParams.delete("token");
history.replaceState(null, "", address);

function enter(event: SubmitEvent): void {
  event.preventDefault();
  const typed = new FormData(event.currentTarget as HTMLFormElement).get("token");
  const token = tokenIn(String(typed ?? "").trim());
  if (token) location.assign(`/?token=${encodeURIComponent(token)}`);
}

/** Extracts the token from a typed token or from the address that the server printed. */
function tokenIn(typed: string): string {
  return URL.canParse(typed) ? (new URL(typed).searchParams.get("token") ?? "") : typed;
}

render(
  html`<header class="top"><h1 class="brand">${icons.mark}<span>JSTorrent</span></h1></header>
    <main>
      <section class="notice" data-testid="token-page">
        <h2>${t("linkTokenTitle")}</h2>
        <p>${t("linkTokenText")}</p>
        ${
          isWrong ? html`<p role="alert" data-testid="token-wrong">${t("tokenWrong")}</p>` : nothing
        }
        <form class="link-line" @submit=${enter}>
          <input
            name="token"
            data-testid="token-input"
            aria-label=${t("tokenField")}
            placeholder=${t("tokenField")}
            autocomplete="off"
            spellcheck="false"
            autofocus
            required
          />
          <button class="button primary" data-testid="token-enter">${t("tokenEnter")}</button>
        </form>
      </section>
    </main>`,
  document.querySelector<HTMLElement>("#app")!,
);
