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
/// itself and each adjacent pair encodes to that pair. So the encoding of a prefix, less its last token, is the encoding of the shorter
/// prefix: at each position exactly one of the tokens that end there fits the one before it, and the way back from the end is the
/// result. Nothing in the loop over the positions depends on a branch.
/// A long run goes in blocks: the ways back from the last positions soon meet, and where they meet is a border for good.
/// </remarks>
internal sealed class CompiledBpe
{
    private const int MaxTokens = 1 << 14;
    private const int BlockLength = 2048;

    private readonly byte[] _codes;
    private readonly int[] _ids;
    private readonly TokenAutomaton _automaton;
    private readonly PairTable _pairs;
    private readonly SearchValues<byte> _alphabet;

    private CompiledBpe(byte[] alphabet, byte[] codes, int[] ids, TokenAutomaton automaton, PairTable pairs)
    {
        _alphabet = SearchValues.Create(alphabet);
        _codes = codes;
        _ids = ids;
        _automaton = automaton;
        _pairs = pairs;
    }

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
            && PairTable.TryBuild(model, tokens, derivations) is { } pairs
            && TokenAutomaton.TryBuild(Array.ConvertAll(tokens, id => model.Tokens[id]), codes, alphabet.Length, pairs) is { } automaton)
            return new CompiledBpe(alphabet, codes, tokens, automaton, pairs);
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
    /// <param name="run">The characters.</param>
    /// <param name="offset">The index of the first of them, for the starts.</param>
    /// <param name="ids">Receives the token ids.</param>
    /// <param name="starts">Receives where each token starts; may be null.</param>
    public void EncodeRun(ReadOnlySpan<byte> run, int offset, List<int> ids, List<int>? starts)
    {
        int margin = _automaton.LongestToken, usual = Math.Max(BlockLength, 8 * margin);
        int block = usual, done = 0;
        var before = new EndingToken(_pairs.StartRowWord, 0, 0);
        EndingToken[] rented = ArrayPool<EndingToken>.Shared.Rent(margin + Math.Min(block, run.Length) + 1);
        while (done < run.Length)
        {
            bool last = run.Length - done <= block;
            int length = last ? run.Length - done : block;
            if (rented.Length <= margin + length) rented = Exchange(rented, margin + length + 1);
            // The margin is read, without effect, at the start of a block.
            rented.AsSpan(0, margin + 1).Fill(before);
            Span<EndingToken> chosen = rented.AsSpan(margin, length + 1);
            ChooseTokens(run.Slice(done, length), chosen);
            int border = last ? length : CommonBorder(chosen);
            before = chosen[border];
            AddTokens(chosen[..(border + 1)], offset + done, ids, starts);
            done += border;
            // Where the ways back have not met: look further.
            block = border == 0 ? checked(block * 2) : usual;
        }
        ArrayPool<EndingToken>.Shared.Return(rented);
    }

    /// <summary>Finds for each prefix of the text the last token of its encoding.</summary>
    /// <param name="text">The characters, <c>[n]</c>.</param>
    /// <param name="chosen">
    /// The token before the text on entry, in element 0; receives the last token of the i characters in element i. Readable as far as
    /// the longest token before its start.
    /// </param>
    private unsafe void ChooseTokens(ReadOnlySpan<byte> text, Span<EndingToken> chosen)
    {
        fixed (byte* characters = text, codes = _codes)
        fixed (ushort* next = _automaton.Next)
        fixed (Candidates* states = _automaton.Candidates)
        fixed (uint* forbidden = _pairs.Bits)
        fixed (EndingToken* path = chosen)
        {
            int state = 0, done = 0;
            while ((done += ChooseAmongThree(characters + done, text.Length - done, codes, next, _automaton.Shift, ref state, states, forbidden, path + done)) < text.Length)
                path[++done] = ChooseAmongMore(_automaton.More[states[state].More], path + done);
        }
    }

    /// <summary>The loop of <see cref="ChooseTokens"/>, up to a state with more than three candidates. Nothing in it branches on the text.</summary>
    private static unsafe int ChooseAmongThree(
        byte* text, int length, byte* codes, ushort* next, int shift, ref int current, Candidates* states, uint* forbidden, EndingToken* path)
    {
        int state = current, i = 0;
        while (i < length)
        {
            state = next[(state << shift) + codes[text[i]]];
            Candidates* candidates = states + state;
            if (candidates->More != 0) break;
            path++;
            i++;
            // All ones where the token is forbidden after the one before it.
            int notFirst = (int)(forbidden[path[candidates->FirstBack].RowWord + candidates->FirstWord] << candidates->FirstShift) >> 31;
            int notSecond = (int)(forbidden[path[candidates->SecondBack].RowWord + candidates->SecondWord] << candidates->SecondShift) >> 31;
            ulong first = candidates->First.Packed, second = candidates->Second.Packed, third = candidates->Third.Packed;
            ulong rest = second ^ ((second ^ third) & (ulong)(long)notSecond);
            *path = new EndingToken(first ^ ((first ^ rest) & (ulong)(long)notFirst));
        }
        current = state;
        return i;
    }

    private unsafe EndingToken ChooseAmongMore(Candidate[] candidates, EndingToken* path)
    {
        foreach (Candidate candidate in candidates.AsSpan(0, candidates.Length - 1))
            if ((_pairs.Bits[path[-candidate.Token.Length].RowWord + (candidate.Column >> 5)] >> candidate.Column & 1) == 0) return candidate.Token;
        return candidates[^1].Token;
    }

    /// <summary>The last border that the encoding has whatever comes after the text; 0 where there is none inside.</summary>
    private int CommonBorder(ReadOnlySpan<EndingToken> chosen)
    {
        int length = chosen.Length - 1;
        // Some border lies within the length of a token from the end: follow the furthest back until all have come to one.
        int[] rented = ArrayPool<int>.Shared.Rent(_automaton.LongestToken);
        Span<int> borders = rented.AsSpan(0, Math.Min(_automaton.LongestToken, length + 1));
        for (int i = 0; i < borders.Length; i++) borders[i] = length - borders.Length + 1 + i;
        int count = borders.Length;
        while (count > 1)
        {
            int furthest = borders[--count];
            int border = furthest - chosen[furthest].Length;
            int at = count;
            while (at > 0 && borders[at - 1] > border) at--;
            if (at > 0 && borders[at - 1] == border) continue;
            borders[at..count].CopyTo(borders[(at + 1)..]);
            borders[at] = border;
            count++;
        }
        int common = borders[0];
        ArrayPool<int>.Shared.Return(rented);
        return common;
    }

    private void AddTokens(Span<EndingToken> chosen, int offset, List<int> ids, List<int>? starts)
    {
        // The way back is gathered in place: there are no more tokens than positions passed.
        int first = chosen.Length;
        for (int end = chosen.Length - 1; end > 0;)
        {
            EndingToken token = chosen[end];
            end -= token.Length;
            chosen[--first] = new EndingToken(end, token.Token, 0);
        }
        ReadOnlySpan<EndingToken> tokens = chosen[first..];
        Span<int> newIds = Extend(ids, tokens.Length);
        for (int i = 0; i < tokens.Length; i++) newIds[i] = _ids[tokens[i].Token];
        if (starts is null) return;
        Span<int> newStarts = Extend(starts, tokens.Length);
        for (int i = 0; i < tokens.Length; i++) newStarts[i] = offset + tokens[i].RowWord;
    }

    private static Span<int> Extend(List<int> list, int count)
    {
        CollectionsMarshal.SetCount(list, list.Count + count);
        return CollectionsMarshal.AsSpan(list)[^count..];
    }

    private static EndingToken[] Exchange(EndingToken[] rented, int length)
    {
        ArrayPool<EndingToken>.Shared.Return(rented);
        return ArrayPool<EndingToken>.Shared.Rent(length);
    }
}
