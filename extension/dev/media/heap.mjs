// Measures the memory of a page and its workers after garbage collection.

const MB = 2 ** 20;

/**
 * Attaches to a page's workers, also to later ones. Returns a function that collects garbage and
 * then measures the memory of the page and of its workers, in MB.
 */
export async function watchHeaps(browser, page) {
  const sessions = new Map([[page.sessionId, "page"]]);
  browser.listeners.add(({ method, params }) => {
    if (method === "Target.attachedToTarget" && params.targetInfo.type === "worker")
      sessions.set(params.sessionId, "worker");
    if (method === "Target.detachedFromTarget") sessions.delete(params.sessionId);
  });
  await page.send("Target.setAutoAttach", {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: true,
  });
  return async () => {
    const live = { page: 0, worker: 0 };
    for (const [sessionId, kind] of sessions) {
      // Twice, because the first collection may release more objects.
      for (let count = 0; count < 2; count += 1)
        await browser.send("HeapProfiler.collectGarbage", {}, sessionId);
      const {
        usedSize,
        embedderHeapUsedSize = 0,
        backingStorageSize = 0,
      } = await browser.send("Runtime.getHeapUsage", {}, sessionId);
      live[kind] += (usedSize + embedderHeapUsedSize + backingStorageSize) / MB;
    }
    return live;
  };
}
