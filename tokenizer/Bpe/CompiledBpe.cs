using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Dnabert2.Tokenizers;

/// <summary>
/// Encodes runs of ASCII characters in time linear in their length, with the same result as <see cref="MergeLoop"/>.
/// </summary>
/// <remarks>
/// Where every rule comes after those that make its two sides, merging goes through the ranks once, and what happens inside a token
/// does not depend on what is around it. Then a sequence of tokens is the encoding of its text exactly when each token encodes to
/// itself and each adjacent pair encodes to that pair; so each prefix of the text that ends at a token border has one encoding too.
/// The search goes left to right, longest token first, and steps back where none fits; a border that led nowhere is not tried again.
/// </remarks>
internal sealed class CompiledBpe
{
    private const int MaxTokens = 1 << 14;
    private const int MaxNodes = ushort.MaxValue;

    private readonly byte[] _codes;
    private readonly int _shift;
    private readonly ushort[] _children;
    private readonly ushort[] _longest;
    private readonly TokenEntry[] _tokens;
    private readonly uint[] _forbidden;
    private readonly int _startRow;
    private readonly SearchValues<byte> _alphabet;

    private CompiledBpe(byte[] alphabet, byte[] codes, TokenTrie trie, TokenEntry[] tokens, PairTable pairs)
    {
        _alphabet = SearchValues.Create(alphabet);
        _codes = codes;
        _shift = trie.Shift;
        _children = trie.Children;
        _longest = trie.Longest;
        _tokens = tokens;
        _forbidden = pairs.Bits;
        _startRow = pairs.StartRow;
    }

    /// <summary>What the search needs of a token, by its number in this encoder.</summary>
    /// <param name="Id">Its id in the vocabulary.</param>
    /// <param name="Length">The characters it covers.</param>
    /// <param name="Row">Its row among the forbidden pairs: what may not follow it.</param>
    /// <param name="Column">Its column: what it may not follow.</param>
    /// <param name="Shorter">The longest token that is a proper prefix of it, or -1.</param>
    private readonly record struct TokenEntry(int Id, int Length, int Row, int Column, int Shorter);

    /// <summary>The length of the stretch of alphabet characters at the start of the text.</summary>
    public int RunLength(ReadOnlySpan<byte> text)
    {
        int length = text.IndexOfAnyExcept(_alphabet);
        return length < 0 ? text.Length : length;
    }

    /// <summary>The encoder of the vocabulary's tokens over some ASCII characters, or null where its conditions do not hold.</summary>
    /// <param name="model">The vocabulary.</param>
    /// <param name="alphabet">The characters, each a token of the vocabulary.</param>
    public static CompiledBpe? TryCompile(BpeModel model, byte[] alphabet)
    {
        if (alphabet.Length == 0 || !IsOrdered(model)) return null;
        var codes = new byte[256];
        for (int i = 0; i < alphabet.Length; i++) codes[alphabet[i]] = (byte)i;
        if (FindDerivations(model, alphabet, out int[] tokens, out int[] derivations)
            && TokenTrie.TryBuild(model, tokens, codes, alphabet.Length, MaxNodes) is { } trie
            && PairTable.TryBuild(model, tokens, derivations) is { } pairs)
        {
            var entries = new TokenEntry[tokens.Length];
            for (int i = 0; i < entries.Length; i++)
                entries[i] = new TokenEntry(tokens[i], model.Tokens[tokens[i]].Length, pairs.Rows[i], pairs.Columns[i], trie.Shorter[i]);
            return new CompiledBpe(alphabet, codes, trie, entries, pairs);
        }
        return null;
    }

    /// <summary>Whether each rule comes after all rules that make one of its sides, and the unknown token takes no part in any.</summary>
    private static bool IsOrdered(BpeModel model)
    {
        var made = new int[model.Tokens.Length];
        Array.Fill(made, -1);
        for (int rank = 0; rank < model.Merges.Length; rank++) made[model.Merges[rank].Product] = rank;
        for (int rank = 0; rank < model.Merges.Length; rank++)
        {
            (int left, int right, int product) = model.Merges[rank];
            if (made[left] >= rank || made[right] >= rank) return false;
            if (left == model.UnknownId || right == model.UnknownId || product == model.UnknownId) return false;
        }
        return true;
    }

    /// <summary>Finds the tokens over the alphabet that encode to themselves, and the merge that makes each; the others never appear.</summary>
    private static bool FindDerivations(BpeModel model, byte[] alphabet, out int[] tokens, out int[] derivations)
    {
        SearchValues<char> letters = SearchValues.Create(Array.ConvertAll(alphabet, b => (char)b));
        var found = new List<int>();
        derivations = new int[model.Tokens.Length];
        for (int id = 0; id < derivations.Length && found.Count <= MaxTokens; id++)
        {
            string text = model.Tokens[id];
            if (text.Length == 0 || text.AsSpan().ContainsAnyExcept(letters)) continue;
            var symbols = new int[text.Length];
            for (int i = 0; i < symbols.Length; i++) symbols[i] = model.Symbol(new System.Text.Rune(text[i]));
            if (MergeLoop.Run(model, symbols, new int[symbols.Length], out derivations[id]) == 1) found.Add(id);
        }
        tokens = [.. found];
        return tokens.Length <= MaxTokens;
    }

    /// <summary>Appends the tokens of one run of alphabet characters.</summary>
    public void EncodeRun(ReadOnlySpan<byte> run, List<int> ids)
    {
        if (run.IsEmpty) return;
        int first = ids.Count;
        CollectionsMarshal.SetCount(ids, first + run.Length / 4 + 8);
        Span<int> output = CollectionsMarshal.AsSpan(ids);
        ref TokenEntry tokens = ref MemoryMarshal.GetArrayDataReference(_tokens);
        ref uint forbidden = ref MemoryMarshal.GetArrayDataReference(_forbidden);

        int count = first, position = 0, row = _startRow;
        int token = LongestAt(run, 0);
        while (true)
        {
            ref TokenEntry entry = ref Unsafe.Add(ref tokens, token);
            int end = position + entry.Length;
            int bit = row + entry.Column;
            if ((Unsafe.Add(ref forbidden, bit >> 5) >> bit & 1) == 0)
            {
                if ((uint)count >= (uint)output.Length) output = Grow(ids);
                output[count++] = token;
                if (end == run.Length) break;
                position = end;
                row = entry.Row;
                token = LongestAt(run, position);
                continue;
            }
            while ((token = entry.Shorter) < 0)
            {
                entry = ref Unsafe.Add(ref tokens, output[--count]);
                position -= entry.Length;
                row = count > first ? Unsafe.Add(ref tokens, output[count - 1]).Row : _startRow;
            }
        }
        foreach (ref int number in output[first..count]) number = _tokens[number].Id;
        CollectionsMarshal.SetCount(ids, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int LongestAt(ReadOnlySpan<byte> run, int position)
    {
        ref ushort children = ref MemoryMarshal.GetArrayDataReference(_children);
        ref byte codes = ref MemoryMarshal.GetArrayDataReference(_codes);
        ref byte text = ref MemoryMarshal.GetReference(run);
        int node = 0;
        do
        {
            int child = Unsafe.Add(ref children, (node << _shift) + Unsafe.Add(ref codes, Unsafe.Add(ref text, position)));
            if (child == 0) break;
            node = child;
        }
        while (++position < run.Length);
        return _longest[node];
    }

    private static Span<int> Grow(List<int> ids)
    {
        CollectionsMarshal.SetCount(ids, checked(ids.Count + ids.Count / 2));
        return CollectionsMarshal.AsSpan(ids);
    }
}
