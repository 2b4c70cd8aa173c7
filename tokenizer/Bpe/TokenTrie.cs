namespace Dnabert2.Tokenizers;

/// <summary>A trie of the tokens' characters with dense transitions.</summary>
internal sealed class TokenTrie
{
    private TokenTrie(int shift, ushort[] children, ushort[] longest, int[] shorter)
    {
        Shift = shift;
        Children = children;
        Longest = longest;
        Shorter = shorter;
    }

    /// <summary>A node's transitions are the <c>1 &lt;&lt; Shift</c> entries from <c>node &lt;&lt; Shift</c>.</summary>
    public int Shift { get; }

    /// <summary>The child for each node and character code; 0, the root, where there is none.</summary>
    public ushort[] Children { get; }

    /// <summary>For each node the number of the longest token on the way to it.</summary>
    public ushort[] Longest { get; }

    /// <summary>For each token the number of the longest one that is a proper prefix of it, or -1.</summary>
    public int[] Shorter { get; }

    /// <summary>The trie of some tokens, all the single characters among them; null where it has too many nodes.</summary>
    public static TokenTrie? TryBuild(BpeModel model, int[] tokens, byte[] codes, int alphabet, int maxNodes)
    {
        int shift = 0;
        while (1 << shift < alphabet) shift++;
        var children = new List<ushort>(new ushort[1 << shift]);
        var tokenAt = new List<int> { -1 };
        for (int number = 0; number < tokens.Length; number++)
        {
            int node = 0;
            foreach (char c in model.Tokens[tokens[number]])
            {
                int slot = (node << shift) + codes[c];
                if (children[slot] == 0)
                {
                    if (tokenAt.Count > maxNodes) return null;
                    children[slot] = (ushort)tokenAt.Count;
                    tokenAt.Add(-1);
                    for (int i = 0; i < 1 << shift; i++) children.Add(0);
                }
                node = children[slot];
            }
            tokenAt[node] = number;
        }
        // A child has a higher number than its parent, so one pass brings every node the longest token above it.
        var longest = new ushort[tokenAt.Count];
        var shorter = new int[tokens.Length];
        for (int node = 0; node < tokenAt.Count; node++)
        {
            for (int i = 0; i < 1 << shift; i++)
            {
                int child = children[(node << shift) + i];
                if (child == 0) continue;
                int above = node == 0 ? -1 : longest[node];
                if (tokenAt[child] >= 0) shorter[tokenAt[child]] = above;
                longest[child] = (ushort)(tokenAt[child] >= 0 ? tokenAt[child] : above);
            }
        }
        return new TokenTrie(shift, [.. children], longest, shorter);
    }
}
