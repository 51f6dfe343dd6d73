// Subtitles in many languages, and an encoder for old encodings.

/** Five typical lines in each language. */
export const TEXTS: Record<string, string[]> = {
  de: [
    "Wir müssen über die Brücke gehen.",
    "Schließlich können wir nicht länger warten.",
    "Es tut mir leid, daß ich zu spät komme.",
    "Hört ihr mich? Öffnet die Tür!",
    "Das Mädchen läuft schnell nach Hause.",
  ],
  fr: [
    "Où êtes-vous allés hier soir ?",
    "Je n'ai jamais été aussi fatigué.",
    "C'est ça, le problème à résoudre.",
    "Elle a peut-être oublié sa clé.",
    "Ça m'est égal, répondit-il.",
  ],
  es: [
    "¿Dónde está la estación?",
    "Mañana será otro día, señor.",
    "El niño comió pan con azúcar.",
    "¡Cuidado! ¡Está detrás de ti!",
    "No sé qué pasó anoche.",
  ],
  pl: [
    "Gdzie jest mój płaszcz?",
    "Nie wiem, o czym mówisz.",
    "Wszyscy są już zmęczeni, chodźmy spać.",
    "Proszę zamknąć drzwi, bo jest zimno.",
    "Zażółć gęślą jaźń, żołnierzu.",
  ],
  cs: [
    "Kde je můj kabát?",
    "Nevím, o čem mluvíš.",
    "Všichni už jsou unavení, pojďme spát.",
    "Prosím, zavřete dveře, je zima.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
  ],
  hu: [
    "Hol van a kabátom?",
    "Nem tudom, miről beszélsz.",
    "Mindenki fáradt már, menjünk aludni.",
    "Kérem, csukja be az ajtót, mert hideg van.",
    "Árvíztűrő tükörfúrógép, mondta az őr.",
  ],
  ru: [
    "Где мы находимся сегодня?",
    "Я не знаю, о чём ты говоришь.",
    "Все уже устали, пойдём спать.",
    "Закройте, пожалуйста, дверь, холодно.",
    "Он никогда не вернётся домой.",
  ],
  uk: [
    "Де ми знаходимося сьогодні?",
    "Я не знаю, про що ти говориш.",
    "Усі вже втомилися, ходімо спати.",
    "Зачиніть, будь ласка, двері, холодно.",
    "Він ніколи не повернеться додому.",
  ],
  el: [
    "Πού είναι το παλτό μου;",
    "Δεν ξέρω για τι πράγμα μιλάς.",
    "Όλοι είναι ήδη κουρασμένοι, πάμε για ύπνο.",
    "Παρακαλώ κλείστε την πόρτα, κάνει κρύο.",
    "Δεν θα γυρίσει ποτέ στο σπίτι.",
  ],
  tr: [
    "Paltom nerede benim?",
    "Neden bahsettiğini bilmiyorum.",
    "Herkes çok yoruldu, haydi uyumaya gidelim.",
    "Lütfen kapıyı kapatın, dışarısı soğuk.",
    "O bir daha asla eve dönmeyecek, değil mi?",
  ],
  he: [
    "איפה המעיל שלי?",
    "אני לא יודע על מה אתה מדבר.",
    "כולם כבר עייפים, בוא נלך לישון.",
    "בבקשה סגור את הדלת, קר כאן.",
    "הוא לעולם לא יחזור הביתה.",
  ],
  ar: [
    "أين معطفي يا صديقي؟",
    "لا أعرف عن ماذا تتحدث.",
    "الجميع متعبون الآن، هيا ننام.",
    "من فضلك أغلق الباب، الجو بارد.",
    "لن يعود إلى البيت أبدا.",
  ],
  ja: [
    "私のコートはどこですか。",
    "何の話をしているのか分かりません。",
    "みんなもう疲れたから、寝ましょう。",
    "ドアを閉めてください、寒いです。",
    "彼は二度と家に帰らないでしょう。",
  ],
  zh: [
    "我的外套在哪里？",
    "我不知道你在说什么。",
    "大家都累了，我们去睡觉吧。",
    "请把门关上，外面很冷。",
    "他再也不会回家了。",
  ],
  "zh-TW": [
    "我的外套在哪裡？",
    "我不知道你在說什麼。",
    "大家都累了，我們去睡覺吧。",
    "請把門關上，外面很冷。",
    "他再也不會回家了。",
  ],
  ko: [
    "내 외투는 어디에 있습니까?",
    "무슨 말을 하는지 모르겠어요.",
    "모두 피곤하니까 이제 자러 갑시다.",
    "문을 닫아 주세요, 추워요.",
    "그는 다시는 집에 돌아오지 않을 것입니다.",
  ],
  en: [
    "Where is my coat?",
    "I don't know what you are talking about.",
    "Everybody is tired, let's go to bed.",
    "Please close the door, it is cold.",
    "He will never come home again.",
  ],
};

/** An SRT file with these lines five times, with tags as in real files. */
export function srtOf(lines: readonly string[]): string {
  const stamp = (s: number) => `00:00:${String(s).padStart(2, "0")},000`;
  const cues = Array.from({ length: 25 }, (_, i) => {
    const line = lines[i % 5]!;
    const times = `${stamp(i * 2)} --> ${stamp(i * 2 + 1)}`;
    return [String(i + 1), times, i % 7 === 3 ? `<i>${line}</i>` : line, ""].join("\r\n");
  });
  return cues.join("\r\n");
}

/** Encodes by inverting a decoder: every byte and every pair of bytes is decoded once. */
export function encode(text: string, encoding: string): Uint8Array<ArrayBuffer> {
  if (encoding === "utf-8") return new TextEncoder().encode(text);
  if (encoding.startsWith("utf-16")) {
    const bytes = new Uint8Array(text.length * 2);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < text.length; at += 1)
      view.setUint16(at * 2, text.charCodeAt(at), encoding === "utf-16le");
    return bytes;
  }
  const table = tableOf(encoding);
  return Uint8Array.from(
    [...text].flatMap((character) => {
      const bytes = table.get(character);
      if (!bytes) throw new Error(`${encoding} has no ${character}`);
      return bytes;
    }),
  );
}

const tables = new Map<string, Map<string, number[]>>();
function tableOf(encoding: string): Map<string, number[]> {
  let table = tables.get(encoding);
  if (table) return table;
  tables.set(encoding, (table = new Map()));
  const decoder = new TextDecoder(encoding);
  const add = (bytes: number[]) => {
    const text = decoder.decode(Uint8Array.from(bytes));
    if ([...text].length === 1 && text !== "\ufffd" && !table.has(text)) table.set(text, bytes);
  };
  for (let byte = 0; byte < 256; byte += 1) add([byte]);
  if (!/^(shift_jis|euc|big5|gb)/.test(encoding)) return table;
  for (let lead = 0x81; lead < 0xff; lead += 1)
    for (let trail = 0x40; trail < 0xff; trail += 1) add([lead, trail]);
  return table;
}
