// Styles that a page computes, set as properties: a `style` attribute is what the policy of a
// server's page forbids.

import { noChange } from "lit";
import { Directive, directive, type ElementPart } from "lit/directive.js";

class Styles extends Directive {
  private readonly last = new Map<string, string>();

  override update({ element }: ElementPart, [styles]: [Readonly<Record<string, string>>]): unknown {
    for (const [name, value] of Object.entries(styles)) {
      if (this.last.get(name) === value) continue;
      this.last.set(name, value);
      (element as HTMLElement).style.setProperty(name, value);
    }
    return noChange;
  }

  render(_styles: Readonly<Record<string, string>>): unknown {
    return noChange;
  }
}

/** Sets these properties of the element in whose tag it stands. Those that are not named again stay. */
export const styles = directive(Styles);
