using System.Runtime.InteropServices;

namespace Dnabert2.Interpretation;

/// <summary>
/// Forward passes that wait to be run. The model gives the same numbers for the same tokens, so each string of tokens goes through it once,
/// for all that ask about it; and passes of a length are run together.
/// </summary>
/// <param name="shares">Whether they are shared and sorted; otherwise there is one for each that asks, in this order.</param>
internal sealed class PassPool(bool shares)
{
    private readonly Dictionary<TokenString, ForwardPass> _known = [];
    private readonly List<(List<int> Tokens, int Place, ForwardPass Pass)> _passes = [];

    /// <summary>A pass over tokens.</summary>
    /// <param name="tokens">The tokens, special ones around them not counted; kept.</param>
    /// <param name="outputs">What is wanted of it.</param>
    public ForwardPass Pass(List<int> tokens, PassOutputs outputs)
    {
        var pass = new ForwardPass(outputs);
        if (shares && !_known.TryAdd(new TokenString(tokens), pass))
        {
            pass = _known[new TokenString(tokens)];
            pass.Want(outputs);
            return pass;
        }

        _passes.Add((tokens, _passes.Count, pass));
        return pass;
    }

    /// <summary>Runs all of them.</summary>
    /// <param name="batch">An empty batch.</param>
    /// <param name="progress">Told the tokens computed so far after each batch.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    public void Run(PassBatch batch, IProgress<long>? progress, CancellationToken cancellation)
    {
        if (shares)
            _passes.Sort((a, b) => (-a.Tokens.Count, a.Place).CompareTo((-b.Tokens.Count, b.Place)));
        foreach ((List<int> tokens, _, ForwardPass pass) in _passes)
        {
            if (batch.WouldOverflow(tokens.Count)) Flush();
            batch.Add(CollectionsMarshal.AsSpan(tokens), pass);
        }

        Flush();

        void Flush()
        {
            cancellation.ThrowIfCancellationRequested();
            if (batch.Count == 0) return;
            batch.Run();
            progress?.Report(batch.TokensDone);
        }
    }

    /// <summary>Tokens that are compared by what they are.</summary>
    private readonly struct TokenString : IEquatable<TokenString>
    {
        private readonly List<int> _tokens;
        private readonly int _hash;

        public TokenString(List<int> tokens)
        {
            var hash = default(HashCode);
            hash.AddBytes(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(tokens)));
            (_tokens, _hash) = (tokens, hash.ToHashCode());
        }

        public bool Equals(TokenString other) =>
            _hash == other._hash && CollectionsMarshal.AsSpan(_tokens).SequenceEqual(CollectionsMarshal.AsSpan(other._tokens));

        public override bool Equals(object? obj) => obj is TokenString other && Equals(other);

        public override int GetHashCode() => _hash;
    }
}
