// Sets computed styles as properties. The server's content policy forbids `style` attributes.

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

/**
 * A directive that sets style properties of its element. Properties that are no longer named keep
 * their values.
 */
export const styles = directive(Styles);
