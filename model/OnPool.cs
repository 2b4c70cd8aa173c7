using System.Runtime.CompilerServices;

namespace Dnabert2;

/// <summary>Sequences of results for those who wait for them without a thread of their own.</summary>
internal static class OnPool
{
    /// <summary>What an enumeration yields, computed on threads of the pool as it is asked for.</summary>
    /// <param name="enumeration">Makes it, of a token that ends it.</param>
    /// <param name="cancellation">Ends it; as does the token of the asynchronous enumeration.</param>
    public static async IAsyncEnumerable<T> Enumerate<T>(
        Func<CancellationToken, IEnumerable<T>> enumeration, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using IEnumerator<T> results = enumeration(cancellation).GetEnumerator();
        while (await Task.Run(results.MoveNext, cancellation).ConfigureAwait(false)) yield return results.Current;
    }
}
