using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Cnn;

/// <summary>
/// The convolutional network of Genomic Benchmarks with its weights. There are no published ones: it is trained from the start, with Adam
/// at a rate of 1e-3 and 64 sequences a step. In inference any number of threads may run it, each with its own <see cref="Tape"/>; a pass
/// in training notes the statistics of its batch.
/// </summary>
public sealed class CnnModel : IDisposable
{
    private readonly Backend? _owned;

    private CnnModel(CnnConfig config, LetterVocabulary tokenizer, Backend backend, Backend? owned)
    {
        (Config, Tokenizer, _owned) = (config, tokenizer, owned);
        Parameters = new ParameterSet(backend);
        Network = new CnnNetwork(Parameters, config);
    }

    /// <summary>The hyper-parameters.</summary>
    public CnnConfig Config { get; }

    /// <summary>The tokenizer, made of the training set.</summary>
    public LetterVocabulary Tokenizer { get; }

    /// <summary>
    /// The parameters, by their names in PyTorch. The running statistics of the normalisations are among them and frozen.
    /// </summary>
    public ParameterSet Parameters { get; }

    /// <summary>The network.</summary>
    public CnnNetwork Network { get; }

    /// <summary>The backend it runs on.</summary>
    public Backend Backend => Parameters.Backend;

    /// <summary>
    /// A model with initial weights, drawn as PyTorch does: embeddings from N(0, 1), weights and biases uniform in ±1 / √inputs.
    /// </summary>
    /// <param name="tokenizer">Of the training set; it decides the vocabulary and the length of the input.</param>
    /// <param name="classes">Classes, from 2.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <param name="trainable">Whether the weights are laid out for training rather than, faster, for inference alone.</param>
    /// <exception cref="ArgumentException">The sequences are too short or too long, or there are too few or too many classes.</exception>
    public static CnnModel Initialize(
        LetterVocabulary tokenizer, int classes, ulong seed, Backend? backend = null, bool trainable = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var config = new CnnConfig
        {
            VocabSize = tokenizer.VocabularySize,
            InputLength = tokenizer.InputLength,
            NumLabels = classes,
        };
        return Make(config, tokenizer, backend, set =>
        {
            ParameterSource initial = Initialization.FanIn(seed, set);
            if (trainable) set.FillFlat(initial);
            else set.FillPacked(initial);
        });
    }

    /// <summary>A model whose parameters the given action fills.</summary>
    internal static CnnModel Make(CnnConfig config, LetterVocabulary tokenizer, Backend? backend, Action<ParameterSet> fill)
    {
        config.Validate();
        Backend? owned = backend is null ? CpuBackend.Create() : null;
        var model = new CnnModel(config, tokenizer, backend ?? owned!, owned);
        try
        {
            fill(model.Parameters);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Returns the memory of the weights.</summary>
    public void Dispose()
    {
        Parameters.Dispose();
        _owned?.Dispose();
    }
}
