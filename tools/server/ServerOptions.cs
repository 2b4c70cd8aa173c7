using Dnabert2.Folders;
using Engine.Kernels;

namespace Dnabert2.Server;

/// <summary>What is served, where, and within which limits.</summary>
internal sealed record ServerOptions
{
    /// <summary>What the model is called in answers: as it was named.</summary>
    public string ModelId { get; init; } = ModelSource.BuiltIn;

    /// <summary>The address to listen on.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port; 0: any free one.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>What clients have to know; null: nothing.</summary>
    public string? ApiKey { get; init; }

    /// <summary>How the vectors of a sequence's tokens become one.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>The type of the factors of matrix products, for people.</summary>
    public string Dtype { get; init; } = "float32";

    /// <summary>The most tokens of a sequence, special ones included; null: as in the model's training, or 512.</summary>
    public int? MaxInputTokens { get; init; }

    /// <summary>The most tokens that are computed together, unless a single sequence has more.</summary>
    public int MaxBatchTokens { get; init; } = 2048;

    /// <summary>The most tokens that wait to be computed.</summary>
    public int MaxQueueTokens { get; init; } = 262_144;

    /// <summary>The most requests that are being read, computed or answered.</summary>
    public int MaxRequests { get; init; } = 512;

    /// <summary>The most sequences of a request.</summary>
    public int MaxClientBatch { get; init; } = 2048;

    /// <summary>The most bytes of a request's body.</summary>
    public long MaxBodyBytes { get; init; } = 16L << 20;

    /// <summary>The most bytes that requests take together: bodies, what is read from them, and vectors.</summary>
    public long MaxMemoryBytes { get; init; } = 1L << 30;

    /// <summary>The most time from a request's first byte to the last one of its answer.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);
}
