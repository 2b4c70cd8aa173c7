using System.Buffers;

namespace Dnabert2.Tokenizers;

/// <summary>A token that is found in the text before anything else is done with it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">What is found.</param>
/// <param name="Special">Whether decoding may leave it out.</param>
/// <param name="Normalized">Whether it is looked for after the others, in what they leave.</param>
internal sealed record AddedToken(int Id, string Content, bool Special, bool Normalized);

/// <summary>The added tokens of a tokenizer and the search for them: leftmost first, the longest of those that begin there.</summary>
internal sealed class AddedTokens
{
    /// <summary>The most characters of one: the search looks at each character of a text so often at the most.</summary>
    public const int MaxLength = 256;

    private readonly Stage[] _stages;
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    public AddedTokens(IReadOnlyList<AddedToken> tokens)
    {
        All = [.. tokens.OrderBy(token => token.Id)];
        foreach (AddedToken token in All) _ids.Add(token.Content, token.Id);
        _stages = [new Stage(tokens.Where(token => !token.Normalized)), new Stage(tokens.Where(token => token.Normalized))];
    }

    /// <summary>All of them by id.</summary>
    public IReadOnlyList<AddedToken> All { get; }

    /// <summary>The number of searches: each looks at what the one before left.</summary>
    public int Stages => _stages.Length;

    /// <summary>The id of an added token, or -1.</summary>
    public int Id(string content) => _ids.GetValueOrDefault(content, -1);

    /// <summary>The first added token of a stage in the text, or null.</summary>
    public AddedToken? Find(ReadOnlySpan<char> text, int stage, out int at) => _stages[stage].Find(text, out at);

    /// <summary>The tokens of one search as a tree of their characters.</summary>
    private sealed class Stage
    {
        private readonly SearchValues<char> _firsts;
        private readonly Dictionary<(int Node, char Next), int> _children = [];
        private readonly List<AddedToken?> _ends = [null];

        public Stage(IEnumerable<AddedToken> tokens)
        {
            var firsts = new HashSet<char>();
            foreach (AddedToken token in tokens)
            {
                firsts.Add(token.Content[0]);
                int node = 0;
                foreach (char next in token.Content)
                {
                    if (!_children.TryGetValue((node, next), out int child))
                    {
                        _children.Add((node, next), child = _ends.Count);
                        _ends.Add(null);
                    }

                    node = child;
                }

                _ends[node] = token;
            }

            _firsts = SearchValues.Create([.. firsts]);
        }

        public AddedToken? Find(ReadOnlySpan<char> text, out int at)
        {
            for (at = 0; ; at++)
            {
                int step = text[at..].IndexOfAny(_firsts);
                if (step < 0) return null;
                at += step;
                if (LongestAt(text[at..]) is { } token) return token;
            }
        }

        private AddedToken? LongestAt(ReadOnlySpan<char> text)
        {
            AddedToken? longest = null;
            int node = 0;
            foreach (char next in text)
            {
                if (!_children.TryGetValue((node, next), out node)) break;
                longest = _ends[node] ?? longest;
            }

            return longest;
        }
    }
}
