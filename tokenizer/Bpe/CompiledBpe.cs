using System.Buffers;
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
/// A long run goes in blocks: the ways back from the last positions soon meet, and where they meet is a border whatever follows.
/// </remarks>
internal sealed class CompiledBpe
{
    private const int MaxTokens = 1 << 14;

    private readonly byte[] _codes;
    private readonly int[] _ids;
    private readonly TokenAutomaton _automaton;
    private readonly PairTable _pairs;
    private readonly SearchValues<byte> _alphabet;
    private readonly int _blockLength;

    private CompiledBpe(byte[] alphabet, byte[] codes, int[] ids, TokenAutomaton automaton, PairTable pairs, int blockLength)
    {
        _blockLength = blockLength;
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
    /// <param name="blockLength">How many characters go at a time; the result does not depend on it.</param>
    public static CompiledBpe? TryCompile(BpeModel model, byte[] alphabet, int? blockLength = null)
    {
        if (alphabet.Length == 0 || !IsOrdered(model)) return null;
        var codes = new byte[256];
        for (int i = 0; i < alphabet.Length; i++) codes[alphabet[i]] = (byte)i;
        if (FindDerivations(model, alphabet, out int[] tokens, out int[] derivations)
            && PairTable.TryBuild(model, tokens, derivations) is { } pairs
            && TokenAutomaton.TryBuild(Array.ConvertAll(tokens, id => model.Tokens[id]), codes, alphabet.Length, pairs) is { } automaton)
            return new CompiledBpe(alphabet, codes, tokens, automaton, pairs, blockLength ?? Math.Max(2048, 8 * automaton.LongestToken));
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

    /// <summary>
    /// Finds the tokens over the alphabet that encode to themselves, and the merge that makes each; the others never appear.
    /// </summary>
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
        int margin = _automaton.LongestToken;
        var path = new EncodingPath(margin, margin + Math.Min(_blockLength, run.Length) + 1);
        path.Start(new EndingToken(_pairs.StartRowWord, 0, 0));
        int border = 0, state = 0;
        for (int done = 0; done < run.Length;)
        {
            int length = Math.Min(_blockLength, run.Length - done);
            ChooseTokens(run.Slice(done, length), ref state, path.Extend(length));
            done += length;
            int next = done == run.Length ? done : path.CommonBorder(border);
            Span<EndingToken> tokens = path.Take(border, next);
            AddTokens(tokens, offset + border, ids, starts);
            border = next;
        }
        path.Return();
    }

    /// <summary>Finds for each prefix of the text the last token of its encoding.</summary>
    /// <param name="text">The next characters, <c>[n]</c>.</param>
    /// <param name="state">The state of the automaton, before and after.</param>
    /// <param name="chosen">
    /// Receives the last tokens, <c>[n]</c>. Before its start lie those of the characters before, as many as the longest token has.
    /// </param>
    private unsafe void ChooseTokens(ReadOnlySpan<byte> text, ref int state, Span<EndingToken> chosen)
    {
        ushort[] rented = ArrayPool<ushort>.Shared.Rent(text.Length);
        fixed (byte* characters = text)
        fixed (ushort* states = rented)
        fixed (Candidates* candidates = _automaton.Candidates)
        fixed (uint* forbidden = _pairs.Bits)
        fixed (EndingToken* first = chosen)
        {
            FindStates(characters, text.Length, state, states);
            EndingToken* path = first - 1;
            int done = 0;
            while ((done += ChooseAmongThree(states + done, text.Length - done, candidates, forbidden, path + done)) < text.Length)
            {
                Candidate[] more = _automaton.More[candidates[states[done]].More];
                path[++done] = ChooseAmongMore(more, path + done);
            }
            state = states[text.Length - 1];
        }
        ArrayPool<ushort>.Shared.Return(rented);
    }

    /// <summary>
    /// Finds the state of the automaton after each character. The state depends on no more characters than the longest token has, so
    /// four parts of the text go side by side, each waiting for its own look-ups only.
    /// </summary>
    private unsafe void FindStates(byte* text, int length, int state, ushort* states)
    {
        fixed (byte* codes = _codes)
        fixed (ushort* next = _automaton.Next)
        {
            int shift = _automaton.Shift, margin = _automaton.LongestToken, part = length / 4;
            int a = state, b = 0, c = 0, d = 0, done = 0;
            if (part >= margin)
            {
                byte* second = text + part, third = second + part, fourth = third + part;
                for (int i = -margin; i < 0; i++)
                {
                    b = next[(b << shift) + codes[second[i]]];
                    c = next[(c << shift) + codes[third[i]]];
                    d = next[(d << shift) + codes[fourth[i]]];
                }
                for (int i = 0; i < part; i++)
                {
                    states[i] = (ushort)(a = next[(a << shift) + codes[text[i]]]);
                    states[i + part] = (ushort)(b = next[(b << shift) + codes[second[i]]]);
                    states[i + 2 * part] = (ushort)(c = next[(c << shift) + codes[third[i]]]);
                    states[i + 3 * part] = (ushort)(d = next[(d << shift) + codes[fourth[i]]]);
                }
                a = d;
                done = 4 * part;
            }
            for (; done < length; done++) states[done] = (ushort)(a = next[(a << shift) + codes[text[done]]]);
        }
    }

    /// <summary>
    /// Chooses up to a state with more than three candidates. Nothing in the loop branches on the text.
    /// </summary>
    /// <param name="states">The states after the next characters.</param>
    /// <param name="length">Their number.</param>
    /// <param name="table">The candidates in each state.</param>
    /// <param name="forbidden">The pair table.</param>
    /// <param name="path">The token chosen last; receives the next ones after it.</param>
    /// <returns>The number of tokens chosen.</returns>
    private static unsafe int ChooseAmongThree(ushort* states, int length, Candidates* table, uint* forbidden, EndingToken* path)
    {
        int i = 0;
        while (i < length)
        {
            Candidates* candidates = table + states[i];
            if (candidates->More != 0) break;
            path++;
            i++;
            // All ones where the token is forbidden after the one before it.
            int notFirst = (int)(forbidden[path[candidates->FirstBack].RowWord + candidates->FirstWord] << candidates->FirstShift) >> 31;
            int notSecond =
                (int)(forbidden[path[candidates->SecondBack].RowWord + candidates->SecondWord] << candidates->SecondShift) >> 31;
            ulong first = candidates->First.Packed, second = candidates->Second.Packed, third = candidates->Third.Packed;
            ulong rest = second ^ ((second ^ third) & (ulong)(long)notSecond);
            *path = new EndingToken(first ^ ((first ^ rest) & (ulong)(long)notFirst));
        }
        return i;
    }

    private unsafe EndingToken ChooseAmongMore(Candidate[] candidates, EndingToken* path)
    {
        foreach (Candidate candidate in candidates.AsSpan(0, candidates.Length - 1))
            if ((_pairs.Bits[path[-candidate.Token.Length].RowWord + (candidate.Column >> 5)] >> candidate.Column & 1) == 0)
                return candidate.Token;
        return candidates[^1].Token;
    }

    /// <param name="tokens">The tokens, each with its start in place of its row.</param>
    /// <param name="offset">What the starts are counted from.</param>
    /// <param name="ids">Receives the token ids.</param>
    /// <param name="starts">Receives the starts; may be null.</param>
    private void AddTokens(ReadOnlySpan<EndingToken> tokens, int offset, List<int> ids, List<int>? starts)
    {
        Span<int> newIds = Extend(ids, tokens.Length);
        for (int i = 0; i < tokens.Length; i++) newIds[i] = _ids[tokens[i].Token];
        if (starts is null) return;
        Span<int> newStarts = Extend(starts, tokens.Length);
        for (int i = 0; i < tokens.Length; i++) newStarts[i] = offset + tokens[i].RowWord;

        static Span<int> Extend(List<int> list, int count)
        {
            CollectionsMarshal.SetCount(list, list.Count + count);
            return CollectionsMarshal.AsSpan(list)[^count..];
        }
    }
}
