// Airflow shows this page in a frame that knows neither its theme nor its language, and that cannot leave itself.
(() => {
  "use strict";
  let outside = null;
  try {
    if (window.parent !== window && window.parent.document) outside = window.parent;
  } catch { /* framed by somebody else: nothing of theirs is ours to read */ }

  const followTheme = () => {
    const root = outside.document.documentElement;
    const dark = root.classList.contains("dark") || root.dataset.theme === "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };
  if (outside) {
    followTheme();
    new MutationObserver(followTheme).observe(outside.document.documentElement, {
      attributes: true, attributeFilter: ["class", "data-theme"],
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-airflow]");
    if (!link || !outside || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const door = outside.document.createElement("a");
    door.href = link.href;
    door.target = link.target;
    door.rel = link.rel;
    outside.document.body.append(door);
    door.click();
    door.remove();
  });
  for (const file of document.querySelectorAll("input[type=file][data-into]")) {
    file.addEventListener("change", async () => {
      if (!file.files.length) return;
      const bytes = await file.files[0].arrayBuffer();
      let text;
      try { text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); }
      catch { text = new TextDecoder("gb18030").decode(bytes); } // as Excel saves it in China
      document.getElementById(file.dataset.into).value = text;
    });
  }

  // Airflow keeps its language in localStorage only. Whenever it was changed there, this page follows, once.
  const cookie = (name) => document.cookie.split("; ").find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  const keep = (name, value) => { document.cookie = `${name}=${value}; path=/; SameSite=Lax; max-age=31536000`; };
  const followLanguage = () => {
    let of_airflow = null;
    try { of_airflow = localStorage.getItem("i18nextLng"); } catch { /* storage is closed to us */ }
    const noted = of_airflow && encodeURIComponent(of_airflow);
    if (!noted || cookie("wxa_followed") === noted) return;
    const wanted = of_airflow.toLowerCase().startsWith("zh") ? "zh" : "en";
    keep("wxa_followed", noted);
    keep("wxa_language", wanted);
    const is_kept = cookie("wxa_followed") === noted && cookie("wxa_language") === wanted;
    const is_answer = location.pathname.includes("/act/") && !location.search; // of a form: not to be sent again
    if (is_kept && !is_answer && !document.documentElement.lang.startsWith(wanted)) location.replace(location.href);
  };
  followLanguage();
  window.addEventListener("storage", followLanguage);

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const style = "day" in time.dataset ? { dateStyle: "full", timeZone: "UTC" } : { dateStyle: "medium", timeStyle: "short" };
      time.title = time.dateTime;
      time.textContent = at.toLocaleString(document.documentElement.lang, style);
    }
  };
  localise(document);

  // What may have changed is fetched anew while somebody looks; a part that is read or typed in right now stays.
  const isInUse = (part) => {
    const focused = document.activeElement;
    const chosen = document.getSelection();
    return (part.contains(focused) && focused.matches("input, select, textarea, button, summary"))
      || (chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode));
  };
  const renew = (old, part) => {
    const href = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const left = old.querySelector(".scroll")?.scrollLeft ?? old.scrollLeft;
    old.replaceWith(part);
    (part.querySelector(".scroll") ?? part).scrollLeft = left;
    if (href) [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === href)?.focus();
  };
  const refresh = async () => {
    const parts = [...document.querySelectorAll("[data-live]")];
    if (!parts.length || document.visibilityState !== "visible") return;
    let answer = null;
    try { answer = await fetch(location.href, { credentials: "same-origin" }); } catch { return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    localise(fresh);
    for (const old of parts) {
      const part = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
      if (part && old.isConnected && !isInUse(old) && old.outerHTML !== part.outerHTML) renew(old, document.adoptNode(part));
    }
  };
  setInterval(refresh, 20_000);
  document.addEventListener("visibilitychange", refresh);
})();
