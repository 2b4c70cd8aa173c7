using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Tests.Fuzz;

/// <summary>Changes of an input, by what it is made of: bytes, lines of text, or the tokens of JSON.</summary>
internal static class Mutation
{
    private static readonly ulong[] Extremes =
        [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, long.MaxValue, 1UL << 63, ulong.MaxValue];

    private static readonly string[] Values =
    [
        "0", "-1", "1", "2", "0.5", "1.5", "65536", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
        "1e999", "-1e999", "1e-999", "1e300", "00", "NaN", "true", "false", "null", "[]", "{}", "[[]]", "[0]", "{\"\":0}",
        "\"\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"", "\"../x\"", "\"/dev/zero\"", "\"\\ud83d\\ude00\"",
        "\"\u00e9\"", "\" \"",
        "\"\\n\"", "\"A\"", "\"x\"", "\"[CLS]\"", "\"0\"", "\"none\"", "\"*\"", "\"a.b\"", "\"(a+)+$\"", "\".*\"",
        $"\"{new string('x', 5000)}\"", $"[{string.Join(',', Enumerable.Repeat("\"x\"", 300))}]",
    ];

    // Names, numbers as texts, and expressions that a backtracking matcher takes for ever on.
    private static readonly string[] Texts =
    [
        ".*", ".", "\\\\.", "\\\\d+", "(a|aa)+$", "(.*.*)*x", "(.*a.{60}b|.*c.{60}d)", "{9}", "{2147483647}", "(?i)", "(?x) #", "(?=a)",
        "(?(?=a)b|c)", "\\\\1", "(", ")", "[^", "|",
        "[a-z]", "\\\\p{L}", "\\\\b", "^", "$", "\\\\", "*", "?", "../", "/", "\\u0000", "\\ud800", "é", " ", "-", "0", "1e9", "module.",
        "bert.", "layer.0.",
    ];

    // Of pickles: containers, marks, small values, memory, calls.
    private static readonly string[] Operations =
    [
        "N", "}", "]", ")", "(", "t", "u", "s", "e", "a", "0", "1", "2", "d", "l", "K\x01", "J\xff\xff\xff\xff", "G\x7f\xf0\0\0\0\0\0\0",
        "X\x01\0\0\0a", "h\0", "q\0", "h\x01", "q\x01",
        "ctorch\nfloat32\n", "ccollections\nOrderedDict\n", "cos\nsystem\n", "R", "b", "Q", ".", "\x85", "\x86", "\x87", "\x88", "\x89",
        "\x8f", "\x90", "\x94",
    ];

    private const string Spice = ">@+;,\t\"\r\n \0-.#:|=/ACGTNNRYacgutxX0123456789e\x1f\x8b\xff\xef\xbb\xbf";

    /// <summary>Changes bytes: bits, runs, numbers of every width, cuts, and parts of another input.</summary>
    public static byte[] OfBytes(byte[] input, byte[] other, Random random)
    {
        List<byte> bytes = [.. input];
        for (int edits = random.Next(1, 4); edits > 0 && bytes.Count > 0; edits--)
        {
            int at = random.Next(bytes.Count), length = Math.Min(random.Next(1, 17), bytes.Count - at);
            switch (random.Next(9))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveRange(at, length); break;
                case 3: bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length)); break;
                case 4: bytes.RemoveRange(at, bytes.Count - at); break;
                case 5: Number(bytes, at, random); break;
                case 6: bytes[at] = (byte)Math.Clamp(bytes[at] + random.Next(-3, 4), 0, 255); break;
                case 7: bytes[at] = (byte)Spice[random.Next(Spice.Length)]; break;
                default:
                    if (other.Length == 0) break;
                    int from = random.Next(other.Length);
                    bytes.InsertRange(at, other[from..Math.Min(other.Length, from + random.Next(1, 200))]);
                    break;
            }
        }

        return [.. bytes];
    }

    /// <summary>Changes a pickle by its operations, or as bytes.</summary>
    public static byte[] OfPickle(byte[] input, byte[] other, Random random)
    {
        if (random.Next(2) == 0) return OfBytes(input, other, random);
        List<byte> bytes = [.. input];
        for (int edits = random.Next(1, 4); edits > 0 && bytes.Count > 0; edits--)
        {
            int at = random.Next(bytes.Count);
            if (random.Next(2) == 0) bytes.RemoveAt(at);
            if (random.Next(3) > 0) bytes.InsertRange(at, Encoding.Latin1.GetBytes(Operations[random.Next(Operations.Length)]));
        }

        return [.. bytes];
    }

    /// <summary>Changes text by lines and fields, and now and then as bytes.</summary>
    public static byte[] OfText(byte[] input, byte[] other, Random random)
    {
        if (random.Next(4) == 0) return OfBytes(input, other, random);
        List<string> lines = [.. Encoding.Latin1.GetString(input).Split('\n')];
        for (int edits = random.Next(1, 4); edits > 0 && lines.Count > 0; edits--)
        {
            int at = random.Next(lines.Count);
            string line = lines[at];
            int column = random.Next(line.Length + 1);
            switch (random.Next(9))
            {
                case 0: lines.RemoveAt(at); break;
                case 1: lines.Insert(random.Next(lines.Count + 1), line); break;
                case 2: (lines[at], lines[0]) = (lines[0], lines[at]); break;
                case 3: lines[at] = line.Insert(column, Spice[random.Next(Spice.Length)].ToString()); break;
                case 4: lines[at] = line[..column]; break;
                case 5: lines[at] = line.Insert(column, new string(Spice[random.Next(Spice.Length)], random.Next(1, 3000))); break;
                case 6: lines[at] = string.Join(Separator(line), Shuffled(line.Split(Separator(line)), random)); break;
                case 7: lines[at] = line + "\r"; break;
                default: lines.InsertRange(at, Enumerable.Repeat(line, random.Next(1, 40)).ToArray()); break;
            }
        }

        return Encoding.Latin1.GetBytes(string.Join('\n', lines));
    }

    /// <summary>Changes JSON by its tokens and its nested parts, and now and then as bytes.</summary>
    public static byte[] OfJson(byte[] input, byte[] other, Random random)
    {
        List<string> tokens = Tokens(input);
        if (tokens.Count < 3 || random.Next(10) == 0) return OfBytes(input, other, random);
        List<string> others = Tokens(other);
        // One more often than several: what is strict refuses at the first that is amiss, and what lies behind it is to be reached, too.
        for (int edits = random.Next(2) == 0 ? 1 : random.Next(1, 4); edits > 0 && tokens.Count > 2; edits--) Edit(tokens, others, random);
        return Encoding.UTF8.GetBytes(string.Concat(tokens));
    }

    private static void Edit(List<string> tokens, List<string> others, Random random)
    {
        List<(int Start, int End)> parts = Parts(tokens);
        if (parts.Count == 0) return;
        (int start, int end) = parts[random.Next(parts.Count)];
        int value = end - start > 2 && tokens[start + 1] == ":" ? start + 2 : start;
        switch (random.Next(13))
        {
            case 0 or 1 or 2:
                Replace(tokens, value, end, [Values[random.Next(Values.Length)]]);
                break;
            case 3:
                // With the comma after it, or else the one before.
                if (end < tokens.Count && tokens[end] == ",") end++;
                else if (start > 0 && tokens[start - 1] == ",") start--;
                tokens.RemoveRange(start, end - start);
                break;
            case 4:
                string[] part = [.. tokens.GetRange(start, end - start), ","];
                for (int n = random.Next(3) == 0 ? random.Next(1, 60) : 1; n > 0; n--) tokens.InsertRange(start, part);
                break;
            case 5:
                int depth = random.Next(1, 100);
                tokens.Insert(end, new string(']', depth));
                tokens.Insert(value, new string('[', depth));
                break;
            case 6:
                tokens.InsertRange(start, [$"\"{(char)random.Next('a', 'z')}\"", ":", Values[random.Next(Values.Length)], ","]);
                break;
            case 7:
                int at = random.Next(tokens.Count), second = random.Next(tokens.Count);
                (tokens[at], tokens[second]) = (tokens[second], tokens[at]);
                break;
            case 11 when long.TryParse(tokens[value], CultureInfo.InvariantCulture, out long number):
                tokens[value] = (random.Next(
                    2) == 0 ? number + random.Next(-2, 3) : random.Next(0, 20)).ToString(CultureInfo.InvariantCulture);
                break;
            case 11 or 12:
                OfOneKind(tokens, value, random);
                break;
            case 8 when value > start:
                tokens[start] = Values[random.Next(Values.Length)];
                break;
            case 8 or 9 when tokens[start].Length > 1 && tokens[start][0] == '"':
                InText(tokens, random.Next(2) == 0 && tokens[value].Length > 1 && tokens[value][0] == '"' ? value : start, random);
                break;
            default:
                if (Parts(others) is not { Count: > 0 } lent) break;
                (int from, int to) = lent[random.Next(lent.Count)];
                if (to - from > 2 && others[from + 1] == ":") from += 2;
                Replace(tokens, value, end, others.GetRange(from, to - from));
                break;
        }
    }

    /// <summary>Puts another token of the same kind in the place of one: a text for a text, a number for a number.</summary>
    private static void OfOneKind(List<string> tokens, int index, Random random)
    {
        char first = tokens[index][0];
        List<string> alike = tokens.FindAll(token => token[0] == first || (char.IsAsciiDigit(token[0]) && char.IsAsciiDigit(first)));
        tokens[index] = alike[random.Next(alike.Count)];
    }

    /// <summary>Changes a text: parts put in, taken out or doubled.</summary>
    private static void InText(List<string> tokens, int index, Random random)
    {
        string text = tokens[index];
        int at = random.Next(1, text.Length), length = Math.Min(random.Next(1, 9), text.Length - 1 - at);
        tokens[index] = random.Next(4) switch
        {
            0 when length > 0 => text.Remove(at, length),
            1 when length > 0 => text.Insert(at, text.Substring(at, length)),
            _ => text.Insert(at, Texts[random.Next(Texts.Length)]),
        };
    }

    private static void Replace(List<string> tokens, int start, int end, IEnumerable<string> by)
    {
        tokens.RemoveRange(start, end - start);
        tokens.InsertRange(start, by);
    }

    /// <summary>Where the elements of arrays and the members of objects begin and end.</summary>
    private static List<(int Start, int End)> Parts(List<string> tokens)
    {
        var parts = new List<(int, int)>();
        var open = new Stack<int>();
        for (int i = 0; i < tokens.Count; i++)
        {
            if (tokens[i] is "," or "}" or "]" && open.TryPop(out int start) && start < i) parts.Add((start, i));
            if (tokens[i] is "{" or "[" or ",") open.Push(i + 1);
        }

        return parts;
    }

    private static List<string> Tokens(byte[] json)
    {
        string text = Encoding.UTF8.GetString(json);
        var tokens = new List<string>();
        for (int at = 0, end; at < text.Length; at = end)
        {
            end = at + 1;
            if (char.IsWhiteSpace(text[at])) continue;
            if (text[at] == '"')
            {
                while (end < text.Length && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
                end = Math.Min(end + 1, text.Length);
            }
            else if (!"{}[],:".Contains(text[at], StringComparison.Ordinal))
            {
                while (end < text.Length && !"{}[],:\"".Contains(text[end], StringComparison.Ordinal) && !char.IsWhiteSpace(text[end]))
                    end++;
            }

            tokens.Add(text[at..end]);
        }

        return tokens;
    }

    private static void Number(List<byte> bytes, int at, Random random)
    {
        int width = 1 << random.Next(4);
        Span<byte> number = stackalloc byte[8];
        ulong value = random.Next(3) == 0 ? (ulong)(bytes.Count + random.Next(-2, 3)) : Extremes[random.Next(Extremes.Length)];
        BinaryPrimitives.WriteUInt64LittleEndian(number, value);
        if (random.Next(4) == 0) number[..width].Reverse();
        for (int i = 0; i < width && at + i < bytes.Count; i++) bytes[at + i] = number[i];
    }

    private static char Separator(string line) => line.Contains('\t', StringComparison.Ordinal) ? '\t' : ',';

    private static string[] Shuffled(string[] fields, Random random)
    {
        random.Shuffle(fields);
        return fields;
    }
}
