using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>
/// One merge rule: <c>Left</c> followed by <c>Right</c> becomes <c>Product</c>. Its rank is its place in the list; the lowest goes first.
/// </summary>
internal readonly record struct Merge(int Left, int Right, int Product);

/// <summary>A BPE vocabulary with its merge rules. Immutable.</summary>
internal sealed class BpeModel
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<ulong, int> _ranks;
    private readonly Dictionary<int, int> _symbols = [];

    /// <summary>A model of tokens (the index is the id, all distinct) and merges; of a repeated pair the last merge counts.</summary>
    /// <param name="tokens">The vocabulary; the index is the id.</param>
    /// <param name="merges">The rules in order of rank; products are in the vocabulary.</param>
    /// <param name="unknownId">What a character outside the vocabulary becomes; -1: it is dropped.</param>
    public BpeModel(string[] tokens, IReadOnlyList<Merge> merges, int unknownId)
    {
        Tokens = tokens;
        UnknownId = unknownId;
        _ids = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++)
        {
            _ids.Add(tokens[id], id);
            bool decoded = Rune.DecodeFromUtf16(tokens[id], out Rune rune, out int used) == System.Buffers.OperationStatus.Done;
            if (decoded && used == tokens[id].Length)
                _symbols.Add(rune.Value, id);
        }
        Merges = WithoutSuperseded(merges);
        _ranks = new Dictionary<ulong, int>(Merges.Length);
        for (int rank = 0; rank < Merges.Length; rank++) _ranks.Add(Key(Merges[rank].Left, Merges[rank].Right), rank);
    }

    /// <summary>The vocabulary; the index is the id.</summary>
    public string[] Tokens { get; }

    /// <summary>The rules; the index is the rank.</summary>
    public Merge[] Merges { get; }

    /// <summary>What an unknown character becomes, or -1 where it is dropped.</summary>
    public int UnknownId { get; }

    /// <summary>The id of a token, or -1.</summary>
    public int Id(string token) => _ids.TryGetValue(token, out int id) ? id : -1;

    /// <summary>The id of a character that is a token by itself, or -1.</summary>
    public int Symbol(Rune rune) => _symbols.TryGetValue(rune.Value, out int id) ? id : -1;

    /// <summary>The rank of the rule for a pair, or -1.</summary>
    public int Rank(int left, int right) => _ranks.TryGetValue(Key(left, right), out int rank) ? rank : -1;

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private static Merge[] WithoutSuperseded(IReadOnlyList<Merge> merges)
    {
        var last = new Dictionary<ulong, int>(merges.Count);
        for (int i = 0; i < merges.Count; i++) last[Key(merges[i].Left, merges[i].Right)] = i;
        var kept = new Merge[last.Count];
        int count = 0;
        for (int i = 0; i < merges.Count; i++)
            if (last[Key(merges[i].Left, merges[i].Right)] == i) kept[count++] = merges[i];
        return kept;
    }
}
