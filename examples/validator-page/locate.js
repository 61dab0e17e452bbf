/**
 * Where the members of a JSON text are: a map from JSON Pointer to the last place [start, end) of that member.
 *
 * It only locates problems, which skip-client finds. So it accepts any text, and stops where that is broken.
 */
export function places(text) {
  const found = new Map();
  let at = 0;
  const match = (pattern) => {
    pattern.lastIndex = at;
    const [part] = pattern.exec(text) ?? [];
    if (part === undefined) throw new SyntaxError();
    at += part.length;
    return part;
  };
  const space = () => match(/\s*/y);
  const member = (pointer, start) => {
    value(pointer);
    found.set(pointer, [start, at]);
    space();
    return match(/[,}\]]/y) === ",";
  };
  const value = (pointer) => {
    space();
    const start = at;
    if (text[at] === "{") {
      at++;
      for (let more = !empty("}"); more; ) {
        space();
        const begin = at;
        const name = JSON.parse(match(STRING));
        match(/\s*:/y);
        more = member(`${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, begin);
      }
    } else if (text[at] === "[") {
      at++;
      for (let index = 0, more = !empty("]"); more; index++) {
        space();
        more = member(`${pointer}/${index}`, at);
      }
    } else {
      match(text[at] === '"' ? STRING : /[-+.\w]+/y);
    }
    found.set(pointer, [start, at]);
  };
  const empty = (end) => {
    space();
    return text[at] === end && ++at > 0;
  };
  try {
    value("");
  } catch {
    // the rest has no places
  }
  return found;
}

const STRING = /"(?:[^"\\\n]|\\.)*"/y;

/** Where a problem is; what is missing is in the object that lacks it. */
export function placeOf(problem, text, known = places(text)) {
  const [, line, column] = (problem.code === "syntax" && /^line (\d+), column (\d+)/.exec(problem.message)) || [];
  if (line) {
    const start = text.split("\n", line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    const characters = Array.from(text.slice(start).split("\n", 1)[0]).slice(0, column - 1);
    const begin = Math.min(start + characters.join("").length, text.length);
    // at the end there is nothing to mark but the last character
    return begin < text.length ? [begin, begin + 1] : [Math.max(0, text.trimEnd().length - 1), text.length];
  }
  for (let path = problem.path; ; path = path.slice(0, path.lastIndexOf("/"))) {
    if (known.has(path)) return known.get(path);
    if (path === "") return [0, text.length];
  }
}
