using System.Numerics;
using System.Runtime.InteropServices;

namespace Dnabert2.Tokenizers;

/// <summary>
/// Which token may follow which: (u, v) is forbidden when encoding the text of u and v together gives anything but u, v. Kept as a
/// bit matrix of the distinct rows and columns.
/// </summary>
/// <remarks>
/// While u and v are built side by side, the symbols that meet at their border are the right ends of u's derivation tree and the left
/// ends of v's, each from its own making until the merge that consumes it. The pair is forbidden exactly when a rule joins two of them
/// while both are there. Of two merges of one rank the left one goes first: within u it comes before the border, within v after it.
/// </remarks>
internal sealed class PairTable
{
    /// <summary>More bit operations than this and a table is not worth its building.</summary>
    private const long MaxWork = 1L << 31;

    private PairTable(uint[] bits, int wordsPerRow, int[] rowWords, int[] columns, int startRowWord)
    {
        Bits = bits;
        WordsPerRow = wordsPerRow;
        RowWords = rowWords;
        Columns = columns;
        StartRowWord = startRowWord;
    }

    /// <summary>The matrix, row after row; a bit is set where the pair is forbidden.</summary>
    public uint[] Bits { get; }

    /// <summary>The length of a row.</summary>
    public int WordsPerRow { get; }

    /// <summary>For each token, numbered as they were given, the word at which its row begins.</summary>
    public int[] RowWords { get; }

    /// <summary>For each token its column.</summary>
    public int[] Columns { get; }

    /// <summary>The row of the start of the text: nothing is forbidden.</summary>
    public int StartRowWord { get; }

    /// <summary>The table for some tokens, or null where it would cost too much.</summary>
    /// <param name="model">The rules.</param>
    /// <param name="tokens">The ids of the tokens, each of which encodes to itself.</param>
    /// <param name="derivations">For each id the rank of the merge that makes it, -1 for a single character.</param>
    public static PairTable? TryBuild(BpeModel model, int[] tokens, int[] derivations)
    {
        int words = (tokens.Length + 63) / 64;
        var rightEnds = new List<(int Until, int Token)>?[model.Tokens.Length];
        var leftEnds = new List<(int Until, int Token)>?[model.Tokens.Length];
        long work = 0;
        for (int i = 0; i < tokens.Length && work < MaxWork; i++)
        {
            work += words * (long)AddEnds(model, derivations, tokens[i], i, right: true, rightEnds);
            AddEnds(model, derivations, tokens[i], i, right: false, leftEnds);
        }
        foreach (Merge merge in model.Merges) work += leftEnds[merge.Right]?.Count ?? 0;
        if (work >= MaxWork) return null;
        return Compress(Forbidden(model, tokens.Length, words, rightEnds, leftEnds), tokens.Length, words);
    }

    /// <summary>Clears the columns that a row does not forbid.</summary>
    public void Intersect(Span<uint> columns, int rowWord)
    {
        ReadOnlySpan<uint> own = Bits.AsSpan(rowWord, WordsPerRow);
        for (int w = 0; w < columns.Length; w++) columns[w] &= own[w];
    }

    private static int AddEnds(BpeModel model, int[] derivations, int id, int token, bool right, List<(int, int)>?[] ends)
    {
        int until = int.MaxValue, length = 1;
        for (; ; length++)
        {
            (ends[id] ??= []).Add((until, token));
            if (derivations[id] < 0) return length;
            until = derivations[id];
            id = right ? model.Merges[until].Right : model.Merges[until].Left;
        }
    }

    private static ulong[] Forbidden(
        BpeModel model, int count, int words, List<(int Until, int Token)>?[] rightEnds, List<(int Until, int Token)>?[] leftEnds)
    {
        var rulesOfLeft = new List<int>?[model.Tokens.Length];
        for (int rank = 0; rank < model.Merges.Length; rank++) (rulesOfLeft[model.Merges[rank].Left] ??= []).Add(rank);
        foreach (List<(int, int)>? ends in leftEnds) ends?.Sort((a, b) => b.Item1.CompareTo(a.Item1));

        var matrix = new ulong[(long)count * words];
        var mask = new ulong[words];
        for (int left = 0; left < rightEnds.Length; left++)
        {
            if (rightEnds[left] is not { } owners || rulesOfLeft[left] is not { } rules) continue;
            owners.Sort();
            Array.Clear(mask);
            int applied = 0;
            foreach ((int until, int owner) in owners)
            {
                for (; applied < rules.Count && rules[applied] < until; applied++)
                    AddFollowers(mask, leftEnds[model.Merges[rules[applied]].Right], rules[applied]);
                Span<ulong> row = matrix.AsSpan(owner * words, words);
                for (int w = 0; w < words; w++) row[w] |= mask[w];
            }
        }
        return matrix;
    }

    private static void AddFollowers(ulong[] mask, List<(int Until, int Token)>? followers, int rank)
    {
        if (followers is null) return;
        foreach ((int until, int token) in followers)
        {
            if (until < rank) break;
            mask[token >> 6] |= 1UL << token;
        }
    }

    private static PairTable Compress(ulong[] matrix, int count, int words)
    {
        (int[] rowOf, List<int> rows) = Distinct(matrix, count, words);
        int columnWords = (rows.Count + 63) / 64;
        var transposed = new ulong[(long)count * columnWords];
        for (int r = 0; r < rows.Count; r++)
            for (int w = 0; w < words; w++)
                for (ulong rest = matrix[rows[r] * words + w]; rest != 0; rest &= rest - 1)
                    transposed[(w * 64 + BitOperations.TrailingZeroCount(rest)) * columnWords + (r >> 6)] |= 1UL << r;
        (int[] columnOf, List<int> columns) = Distinct(transposed, count, columnWords);

        int wordsPerRow = (columns.Count + 31) / 32;
        var bits = new uint[(rows.Count + 1) * wordsPerRow];
        for (int r = 0; r < rows.Count; r++)
            for (int c = 0; c < columns.Count; c++)
                if ((transposed[columns[c] * columnWords + (r >> 6)] >> r & 1) != 0)
                    bits[r * wordsPerRow + (c >> 5)] |= 1u << c;
        return new PairTable(bits, wordsPerRow, Array.ConvertAll(rowOf, r => r * wordsPerRow), columnOf, rows.Count * wordsPerRow);
    }

    /// <summary>Numbers the distinct rows of a matrix in order of appearance.</summary>
    private static (int[] ClassOf, List<int> First) Distinct(ulong[] matrix, int count, int words)
    {
        var classes = new Dictionary<int, int>(new RowComparer(matrix, words));
        var first = new List<int>();
        var classOf = new int[count];
        for (int i = 0; i < count; i++)
        {
            if (!classes.TryGetValue(i, out classOf[i]))
            {
                classOf[i] = first.Count;
                classes.Add(i, first.Count);
                first.Add(i);
            }
        }
        return (classOf, first);
    }

    private sealed class RowComparer(ulong[] matrix, int words) : IEqualityComparer<int>
    {
        public bool Equals(int x, int y) => Row(x).SequenceEqual(Row(y));

        public int GetHashCode(int obj)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(Row(obj)));
            return hash.ToHashCode();
        }

        private ReadOnlySpan<ulong> Row(int i) => matrix.AsSpan(i * words, words);
    }
}
