// What a page and its workers keep in memory: what is left of their heaps and buffers once all
// garbage is collected.

const MB = 2 ** 20;

/** Attaches to a page's workers, also to those that begin later. The function that it gives collects, and measures in MB. */
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
      // Twice, as what the first collection lets go may hold more.
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
