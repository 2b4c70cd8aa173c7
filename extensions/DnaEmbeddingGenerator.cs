using System.Diagnostics;
using Dnabert2.Embeddings;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dnabert2.Extensions.AI;

/// <summary>
/// Sequences of bases → vectors, as Microsoft.Extensions.AI has it: what wraps a generator there (caching, telemetry, logging, limits)
/// wraps this one. Any number of threads may use it at once.
/// </summary>
/// <example>
/// <code>
/// using var generator = new DnaEmbeddingGenerator(Dnabert2Model.LoadDefault(), ownsModel: true);
/// Embedding&lt;float&gt; vector = await generator.GenerateAsync("ACGTTGCATTGACCA");
/// </code>
/// </example>
public sealed partial class DnaEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private const string Provider = "dnabert2";
    private readonly SequenceModel _model;
    private readonly Embedder _embedder;
    private readonly EmbeddingGeneratorMetadata _metadata;
    private readonly ILogger _logger;
    private readonly bool _ownsModel;

    /// <summary>A generator with a loaded model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How sequences become vectors; null: as <see cref="EmbedOptions"/> has it.</param>
    /// <param name="modelId">What the model is called in telemetry, and in caches that several models share.</param>
    /// <param name="logger">Told of each call, at the level of debugging.</param>
    /// <param name="ownsModel">Whether <see cref="Dispose"/> returns the memory of the model.</param>
    /// <exception cref="ArgumentException">An option is out of its range for this model.</exception>
    public DnaEmbeddingGenerator(
        SequenceModel model, EmbedOptions? options = null, string? modelId = null, ILogger<DnaEmbeddingGenerator>? logger = null,
        bool ownsModel = false)
    {
        _embedder = new Embedder(model, options);
        (_model, _ownsModel, _logger) = (model, ownsModel, logger ?? NullLogger<DnaEmbeddingGenerator>.Instance);
        _metadata = new EmbeddingGeneratorMetadata(Provider, providerUri: null, modelId, _embedder.Width);
    }

    /// <summary>The vectors of sequences, in their order.</summary>
    /// <param name="values">Bases; lower case and U are understood.</param>
    /// <param name="options">May name the model and the width of its vectors, which cannot be changed.</param>
    /// <param name="cancellationToken">Ends the work, on the CPU also within a batch.</param>
    /// <returns>As many embeddings; the tokens of all sequences as their usage.</returns>
    /// <exception cref="ArgumentException">The options ask for another model, or for vectors of another width.</exception>
    /// <exception cref="InvalidDataException">
    /// A sequence is empty or holds a letter that is no nucleotide; the message names it.
    /// </exception>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a sequence; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } width && width != _embedder.Width)
            throw new ArgumentException(
                $"{nameof(options.Dimensions)} is {width}: vectors of this model have {_embedder.Width} numbers", nameof(options));
        if (options?.ModelId is { } id && id != _metadata.DefaultModelId)
            throw new ArgumentException(
                $"{nameof(options.ModelId)} is '{id}': this generator has the model '{_metadata.DefaultModelId}'", nameof(options));
        string[] sequences = [.. values];
        long start = Stopwatch.GetTimestamp(), tokens = 0;
        var embeddings = new GeneratedEmbeddings<Embedding<float>>(sequences.Length);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await Task.Run(() =>
        {
            foreach (SequenceEmbedding embedding in _embedder.EmbedEach(sequences, cancellationToken))
            {
                tokens += embedding.Tokens;
                embeddings.Add(new Embedding<float>(embedding.Vector) { CreatedAt = now, ModelId = _metadata.DefaultModelId });
            }
        }, cancellationToken).ConfigureAwait(false);

        embeddings.Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens };
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        LogEmbedded(_logger, sequences.Length, tokens, milliseconds);
        return embeddings;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_embedder) ? _embedder
            : serviceType.IsInstanceOfType(_model) ? _model : null;
    }

    /// <summary>Returns the memory of the model, where the generator owns it.</summary>
    public void Dispose()
    {
        if (_ownsModel) _model.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Sequences} sequences of {Tokens} tokens embedded in {Milliseconds:F1} ms")]
    private static partial void LogEmbedded(ILogger logger, int sequences, long tokens, double milliseconds);
}
