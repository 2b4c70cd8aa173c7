using System.Runtime.InteropServices;

namespace Dnabert2.Tokenizers;

/// <summary>A token that ends at a position, packed as the encoder's loop wants it.</summary>
/// <param name="Packed">
/// From the low end: 32 bits for the word at which its row begins in the pair table, 16 for its number, 16 for its length.
/// </param>
internal readonly record struct EndingToken(ulong Packed)
{
    public EndingToken(int rowWord, int token, int length)
        : this((uint)rowWord | (ulong)(uint)token << 32 | (ulong)(uint)length << 48)
    {
    }

    public int RowWord => (int)(uint)Packed;

    public int Token => (ushort)(Packed >> 32);

    public int Length => (int)(Packed >> 48);
}

/// <summary>A token that may end in a state, and its column in the pair table.</summary>
internal readonly record struct Candidate(EndingToken Token, int Column);

/// <summary>
/// The tokens that may end in one state of the automaton, longest first; where there are fewer than three the last is repeated. The
/// first two are checked: the bit of their column in the row of the token before them tells whether they fit it.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Candidates
{
    public EndingToken First, Second, Third;

    /// <summary>
    /// Minus the length of the token, where the row is found. For a repeated token, where the answer does not matter, far enough back
    /// that no work in progress is waited for.
    /// </summary>
    public short FirstBack, SecondBack;

    /// <summary>The word of the column in a row.</summary>
    public ushort FirstWord, SecondWord;

    /// <summary>What brings the bit of the column to the top of its word.</summary>
    public byte FirstShift, SecondShift;

    /// <summary>Where there are more than three: their index among those lists, counted from 1; else 0.</summary>
    public ushort More;
}

/// <summary>
/// The Aho-Corasick automaton of a vocabulary: its state says which tokens the text read so far ends with. Of these, the ones that no
/// token before could stand next to are left out: mostly one to three remain.
/// </summary>
internal sealed class TokenAutomaton
{
    private const int MaxStates = ushort.MaxValue;
    private const int MaxLength = 4096;
    private const int MaxTableWords = 1 << 25;

    private readonly List<int[]> _children = [];
    private readonly List<int> _tokenAt = [];
    private readonly int _alphabet;
    private int[] _order = [];
    private int[] _fallback = [];
    private int[] _parent = [];
    private int[] _depth = [];

    private TokenAutomaton(int alphabet)
    {
        _alphabet = alphabet;
        while (1 << Shift < alphabet) Shift++;
        AddNode();
    }

    /// <summary>A state's transitions are the <c>1 &lt;&lt; Shift</c> entries from <c>state &lt;&lt; Shift</c>.</summary>
    public int Shift { get; }

    /// <summary>The next state for each state and character code; the start is 0.</summary>
    public ushort[] Next { get; private set; } = [];

    /// <summary>For each state the tokens that may end there.</summary>
    public Candidates[] Candidates { get; private set; } = [];

    /// <summary>The lists of more than three.</summary>
    public Candidate[][] More { get; private set; } = [];

    /// <summary>The length of the longest token.</summary>
    public int LongestToken { get; private set; }

    /// <summary>The automaton of some tokens, each single character among them; null where it would be too large.</summary>
    /// <param name="texts">The tokens.</param>
    /// <param name="codes">The code of each character, from 0.</param>
    /// <param name="alphabet">The number of codes.</param>
    /// <param name="pairs">Which of them may follow which.</param>
    public static TokenAutomaton? TryBuild(string[] texts, byte[] codes, int alphabet, PairTable pairs)
    {
        var automaton = new TokenAutomaton(alphabet) { LongestToken = texts.Max(text => text.Length) };
        if (automaton.LongestToken > MaxLength) return null;
        for (int token = 0; token < texts.Length; token++)
            if (!automaton.TryAdd(texts[token], token, codes)) return null;
        if ((long)automaton._children.Count * pairs.WordsPerRow > MaxTableWords) return null;
        automaton.NumberByDepth();
        automaton.Connect();
        automaton.FindCandidates(pairs);
        return automaton;
    }

    private int AddNode()
    {
        _children.Add(new int[_alphabet]);
        _tokenAt.Add(-1);
        return _children.Count - 1;
    }

    private bool TryAdd(string text, int token, byte[] codes)
    {
        int node = 0;
        foreach (char c in text)
        {
            if (_children[node][codes[c]] == 0)
            {
                if (_children.Count > MaxStates) return false;
                _children[node][codes[c]] = AddNode();
            }
            node = _children[node][codes[c]];
        }
        _tokenAt[node] = token;
        return true;
    }

    /// <summary>Orders the nodes by depth: the states most often met lie together, and a pass in this order meets suffixes first.</summary>
    private void NumberByDepth()
    {
        int count = _children.Count;
        _order = new int[count];
        _parent = new int[count];
        _depth = new int[count];
        for (int state = 0, found = 1; state < count; state++)
        {
            foreach (int child in _children[_order[state]])
            {
                if (child == 0) continue;
                _order[found] = child;
                _parent[found] = state;
                _depth[found++] = _depth[state] + 1;
            }
        }
    }

    private void Connect()
    {
        var stateOf = new int[_order.Length];
        for (int state = 0; state < _order.Length; state++) stateOf[_order[state]] = state;
        Next = new ushort[_order.Length << Shift];
        _fallback = new int[_order.Length];
        for (int state = 0; state < _order.Length; state++)
        {
            for (int code = 0; code < _alphabet; code++)
            {
                int child = stateOf[_children[_order[state]][code]];
                int otherwise = state == 0 ? 0 : Next[(_fallback[state] << Shift) + code];
                if (child != 0) _fallback[child] = otherwise;
                Next[(state << Shift) + code] = (ushort)(child != 0 ? child : otherwise);
            }
        }
    }

    private void FindCandidates(PairTable pairs)
    {
        uint[] forbidden = ForbiddenAfterAll(pairs);
        int words = pairs.WordsPerRow;
        Candidates = new Candidates[_order.Length];
        var more = new List<Candidate[]> { Array.Empty<Candidate>() };
        var found = new List<Candidate>();
        var path = new int[LongestToken + 1];
        for (int state = 1; state < _order.Length; state++)
        {
            for (int at = state; at != 0; at = _parent[at]) path[_depth[at]] = at;
            found.Clear();
            for (int suffix = state; suffix != 0; suffix = _fallback[suffix])
            {
                int token = _tokenAt[_order[suffix]];
                if (token < 0) continue;
                int before = path[_depth[state] - _depth[suffix]], column = pairs.Columns[token];
                if (before != 0 && (forbidden[before * words + (column >> 5)] >> column & 1) != 0) continue;
                found.Add(new Candidate(new EndingToken(pairs.RowWords[token], token, _depth[suffix]), column));
            }
            // A shorter token may also end where a longer one's text does.
            foreach (Candidate candidate in found)
                pairs.Intersect(forbidden.AsSpan(state * words, words), candidate.Token.RowWord);
            Candidates[state] = Pack(found, found.Count > 3 ? more.Count : 0);
            if (found.Count > 3) more.Add([.. found]);
        }
        More = [.. more];
    }

    private Candidates Pack(List<Candidate> found, int more)
    {
        Candidate first = found[0], second = found[Math.Min(1, found.Count - 1)], third = found[Math.Min(2, found.Count - 1)];
        return new Candidates
        {
            First = first.Token,
            Second = second.Token,
            Third = third.Token,
            FirstBack = (short)-(found.Count > 1 ? first.Token.Length : LongestToken),
            SecondBack = (short)-(found.Count > 2 ? second.Token.Length : LongestToken),
            FirstWord = (ushort)(first.Column >> 5),
            SecondWord = (ushort)(second.Column >> 5),
            FirstShift = (byte)(31 - (first.Column & 31)),
            SecondShift = (byte)(31 - (second.Column & 31)),
            More = (ushort)more,
        };
    }

    /// <summary>For each state the columns forbidden after every token that ends with its text.</summary>
    private uint[] ForbiddenAfterAll(PairTable pairs)
    {
        int words = pairs.WordsPerRow;
        var forbidden = new uint[_order.Length * words];
        Array.Fill(forbidden, uint.MaxValue);
        for (int state = _order.Length - 1; state > 0; state--)
        {
            Span<uint> own = forbidden.AsSpan(state * words, words);
            if (_tokenAt[_order[state]] is >= 0 and int token) pairs.Intersect(own, pairs.RowWords[token]);
            Span<uint> suffix = forbidden.AsSpan(_fallback[state] * words, words);
            for (int w = 0; w < words; w++) suffix[w] &= own[w];
        }
        return forbidden;
    }
}
