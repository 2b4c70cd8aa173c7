using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Hyena;

/// <summary>What a model has besides its backbone.</summary>
[Flags]
public enum HyenaParts
{
    /// <summary>The backbone alone, <c>hyena.backbone.</c></summary>
    Backbone = 0,

    /// <summary>The head of the language model, <c>lm_head.</c></summary>
    LmHead = 1,

    /// <summary>The sequence classifier, <c>score.</c></summary>
    Classifier = 2,
}

/// <summary>
/// A HyenaDNA with its weights: the backbone and whichever heads it has. It computes in F32. Immutable, so any number of threads may run
/// it; each forward pass needs its own <see cref="Tape"/>.
/// </summary>
public sealed class HyenaModel : IDisposable
{
    private readonly Backend? _owned;

    private HyenaModel(HyenaConfig config, Backend backend, Backend? owned, HyenaParts parts)
    {
        (Config, _owned) = (config, owned);
        Tokenizer = new HyenaTokenizer(config.MaxSeqLen);
        Parameters = new ParameterSet(backend);
        Backbone = new HyenaBackbone(Parameters, config);
        if (parts.HasFlag(HyenaParts.LmHead)) LmHead = new HyenaLmHead(Parameters, config);
        if (parts.HasFlag(HyenaParts.Classifier)) Classifier = new HyenaClassifier(Parameters, config);
    }

    /// <summary>The hyper-parameters.</summary>
    public HyenaConfig Config { get; }

    /// <summary>The tokenizer, which truncates to what the model takes.</summary>
    public HyenaTokenizer Tokenizer { get; }

    /// <summary>The parameters, by their names in checkpoints.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>The backbone.</summary>
    public HyenaBackbone Backbone { get; }

    /// <summary>The head of the language model, or null.</summary>
    public HyenaLmHead? LmHead { get; }

    /// <summary>The sequence classifier, or null.</summary>
    public HyenaClassifier? Classifier { get; }

    /// <summary>The backend it runs on.</summary>
    public Backend Backend => Parameters.Backend;

    /// <summary>
    /// Loads a model folder as Hugging Face has it (<c>LongSafari/hyenadna-*-hf</c>): <c>config.json</c>, and <c>model.safetensors</c> or
    /// <c>pytorch_model.bin</c>, also in several files with an index. The positions and decays that the file stores are held against those
    /// that the model computes.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <param name="parts">What is needed besides the backbone; null: all that the weights hold.</param>
    /// <param name="trainable">Whether the weights are laid out for training rather than, faster, for inference alone.</param>
    /// <param name="pooling">What the classifier is given.</param>
    /// <exception cref="FileNotFoundException">The folder lacks a file, or there is none.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged, or the weights are not exactly those that the config describes; everything missing, extra or mis-shaped is
    /// listed.
    /// </exception>
    public static HyenaModel Load(
        string folder, Backend? backend = null, HyenaParts? parts = null, bool trainable = false,
        HyenaPooling pooling = HyenaPooling.LastToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string path = Path.Combine(folder, ModelSource.ConfigFile);
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"{path} is missing; the folder of a HyenaDNA has config.json and model.safetensors or pytorch_model.bin");
        HyenaConfig config = HyenaConfig.Load(path) with { Pooling = pooling };
        using HyenaWeights weights = HyenaWeights.Open(folder);
        return Make(config, backend, parts ?? weights.Parts, set => weights.Fill(set, config, trainable));
    }

    /// <summary>
    /// A model with initial weights: those from N(0, <see cref="HyenaConfig.InitializerRange"/>), biases 0, norms 1 and 0, frequencies 10.
    /// (The published code draws the skips from N(0, 1), and scales what ends a layer down.)
    /// </summary>
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">See <see cref="Load"/>.</param>
    /// <param name="parts">What it has besides the backbone.</param>
    /// <param name="trainable">See <see cref="Load"/>.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    public static HyenaModel Initialize(
        HyenaConfig config, ulong seed, Backend? backend = null, HyenaParts parts = HyenaParts.LmHead, bool trainable = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ParameterSource initial = Initialization.Normal(seed, config.InitializerRange);
        return Make(config, backend, parts, set =>
        {
            if (trainable) set.FillFlat(initial);
            else set.FillPacked(initial);
        });
    }

    /// <summary>A model whose parameters the given action fills.</summary>
    internal static HyenaModel Make(HyenaConfig config, Backend? backend, HyenaParts parts, Action<ParameterSet> fill)
    {
        config.Validate();
        Backend? owned = backend is null ? CpuBackend.Create() : null;
        var model = new HyenaModel(config, backend ?? owned!, owned, parts);
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
