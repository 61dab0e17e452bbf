/**
 * Unpacks DEFLATE (RFC 1951). Browsers do that only asynchronously, and the package starts synchronously.
 *
 * Its only input is part of the package, so there are no checks. That makes it half the size of fflate, which is 1.3 KB of gzip
 * more than the default import may have.
 */
export function inflate(packed: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(size);
  let [at, written, held, count] = [0, 0, 0, 0];

  /** The next bits, without taking them; past the end there are zeros. */
  const peek = (wanted: number): number => {
    for (; count < wanted; count += 8) held |= (packed[at++] ?? 0) << count;
    return held & ((1 << wanted) - 1);
  };
  const take = (bits: number): void => {
    held >>>= bits;
    count -= bits;
  };
  const bits = (wanted: number): number => {
    const value = peek(wanted);
    take(wanted);
    return value;
  };
  const symbol = ({ counts, symbols, short }: Code): number => {
    const next = peek(15);
    const known = short[next & (SHORT - 1)] as number;
    if (known > 0) {
      take(known & 15);
      return known >> 4;
    }
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; ; length++) {
      const here = counts[length] as number;
      code |= (next >> (length - 1)) & 1;
      if (code - first < here) {
        take(length);
        return symbols[index + code - first] as number;
      }
      index += here;
      first = (first + here) << 1;
      code <<= 1;
    }
  };
  const ranged = ({ bases, extras }: Ranges, at: number): number => (bases[at] as number) + bits(extras[at] as number);
  const block = (literals: Code, distances: Code): void => {
    for (let next = symbol(literals); next !== 256; next = symbol(literals)) {
      if (next < 256) {
        out[written++] = next;
        continue;
      }
      const length = ranged(LENGTHS, next - 257);
      const from = written - ranged(DISTANCES, symbol(distances));
      for (let i = 0; i < length; i++) out[written++] = out[from + i] as number;
    }
  };

  for (let last = 0; last === 0; ) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) {
      // stored as it is, from the next whole byte on
      at -= count >> 3;
      held = count = 0;
      const length = (packed[at] as number) | ((packed[at + 1] as number) << 8);
      out.set(packed.subarray(at + 4, at + 4 + length), written);
      at += 4 + length;
      written += length;
    } else if (kind === 1) {
      const fixed = Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
      block(codeOf(fixed), codeOf(Array(30).fill(5)));
    } else {
      const [literals, distances, used] = [bits(5) + 257, bits(5) + 1, bits(4) + 4];
      const lengths: number[] = Array(19).fill(0);
      for (let i = 0; i < used; i++) lengths[ORDER[i] as number] = bits(3);
      const all: number[] = [];
      for (const lengthCode = codeOf(lengths); all.length < literals + distances; ) {
        const next = symbol(lengthCode);
        if (next < 16) all.push(next);
        else if (next === 16) repeat(all, all.at(-1) as number, 3 + bits(2));
        else repeat(all, 0, next === 17 ? 3 + bits(3) : 11 + bits(7));
      }
      block(codeOf(all.slice(0, literals)), codeOf(all.slice(literals)));
    }
  }
  return out;
}

/** A canonical Huffman code. */
interface Code {
  /** How many codes of each length there are, and their symbols in order. */
  counts: number[];
  symbols: number[];
  /** By the next bits: symbol and length of a code that is not longer than they are, or 0. */
  short: Uint16Array;
}

const SHORT = 1 << 9;

function codeOf(lengths: number[]): Code {
  const byLength: number[][] = Array.from({ length: 16 }, () => []);
  lengths.forEach((length, symbol) => {
    if (length > 0) byLength[length]?.push(symbol);
  });
  const short = new Uint16Array(SHORT);
  let code = 0;
  for (let length = 1; 1 << length <= SHORT; length++, code <<= 1) {
    for (const symbol of byLength[length] as number[]) {
      // the first bit of a code is the lowest of what is read
      let reversed = 0;
      for (let i = 0; i < length; i++) reversed |= ((code >> i) & 1) << (length - 1 - i);
      for (let i = reversed; i < SHORT; i += 1 << length) short[i] = (symbol << 4) | length;
      code++;
    }
  }
  return { counts: byLength.map((symbols) => symbols.length), symbols: byLength.flat(), short };
}

function repeat(list: number[], value: number, times: number): void {
  for (let i = 0; i < times; i++) list.push(value);
}

/** The smallest value of each symbol, and how many bits are added to it. */
interface Ranges {
  bases: number[];
  extras: number[];
}

const LENGTHS = ranges(3, 28, 4);
LENGTHS.bases.push(258);
LENGTHS.extras.push(0);
const DISTANCES = ranges(1, 30, 2);
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** `each` symbols have the same number of extra bits, and none twice as many. */
function ranges(smallest: number, symbols: number, each: number): Ranges {
  const found: Ranges = { bases: [], extras: [] };
  for (let base = smallest, i = 0; i < symbols; i++) {
    const extra = Math.max(0, Math.floor(i / each) - 1);
    found.bases.push(base);
    found.extras.push(extra);
    base += 1 << extra;
  }
  return found;
}
