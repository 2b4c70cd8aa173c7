using System.Reflection;
using Dnabert2.Cnn;
using Dnabert2.Dnabert;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Hyena;
using Dnabert2.NucleotideTransformer;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Onnx;

/// <summary>
/// Writes a model as ONNX, fp32 in opset 17 and IR version 8, the lowest that have LayerNormalization; with standard operators alone.
/// </summary>
/// <remarks>
/// Inputs are <c>input_ids</c> and <c>attention_mask</c>, int64 [sequences, length]; the mask is 1 for tokens and 0 for padding on either
/// side, and what is attended does not depend on padding. Outputs are <c>last_hidden_state</c> [sequences, length, hidden], 0 for padding;
/// <c>embedding</c> [sequences, hidden], the mean over the attended tokens, which <see cref="Embeddings.Embedder"/> gives for a sequence of
/// one chunk; and <c>logits</c> of a head. The CNN has no vectors of tokens, and takes rows of one length, of which what the mask leaves
/// out counts as its own padding.
/// </remarks>
public static class OnnxExport
{
    // A message of protocol buffers has 2 GiB at most.
    private const long MostInGraph = 1L << 30;

    /// <summary>Writes a model. Files appear when they are complete, over what was there before.</summary>
    /// <param name="source">The model; the additions of an adapter are merged.</param>
    /// <param name="path">
    /// The file of the graph. Weights of more than 1 GiB are beside it in a file of that name with <c>.data</c> behind it, and the two stay
    /// together.
    /// </param>
    /// <param name="options">What is written; null: everything, for rows of any length.</param>
    /// <param name="cancellation">Ends the work; nothing is written then.</param>
    /// <exception cref="IOException">A file is missing or cannot be written, or the disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">The file, or its folder, may not be written to.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the model lacks the head.</exception>
    /// <exception cref="ArgumentException">The length is out of its range.</exception>
    /// <exception cref="NotSupportedException">The model has an attention that is not built in.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static OnnxExportResult Write(
        ModelSource source, string path, OnnxOptions? options = null, CancellationToken cancellation = default) =>
        Write(source, path, options ?? new OnnxOptions(), MostInGraph, cancellation);

    internal static OnnxExportResult Write(
        ModelSource source, string path, OnnxOptions options, long mostInGraph, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(source);
        ResultFiles.Check(path);
        using Checkpoint weights = source.OpenWeights();
        (OnnxHead head, ModelParts parts) = Choose(options.Head, source, source.PartsOf(weights));
        using Backend backend = CpuBackend.Create();
        using SequenceModel model = source.Declare(weights, backend, parts);
        var graph = new Graph(model.Parameters);
        Build(graph, model, head, LengthOf(options, model), backend);
        var file = new GraphFile(graph, Metadata(source, model, head));
        using var files = new ResultFiles();
        long bytes = 0;
        string? beside = null;
        source.Give(
            weights, model.Parameters, parts, values => (bytes, beside) = file.Write(files, path, mostInGraph, model.Parameters, values,
            cancellation));
        files.Commit();
        return new OnnxExportResult(path, beside, bytes, graph.Outputs, head);
    }

    /// <summary>The head, and what the model needs for it besides the encoder.</summary>
    private static (OnnxHead Head, ModelParts Parts) Choose(OnnxHead head, ModelSource source, ModelParts there)
    {
        ModelParts classifier = source.Architecture.Head, language = source.Architecture.LanguageModel ?? ModelParts.Encoder;
        bool classifies = there.HasFlag(classifier), predicts = language != ModelParts.Encoder && there.HasFlag(language);
        return head switch
        {
            OnnxHead.Auto when classifies => (OnnxHead.Classifier, classifier),
            OnnxHead.Auto when predicts => (OnnxHead.LanguageModel, language),
            OnnxHead.Auto or OnnxHead.None => (OnnxHead.None, ModelParts.Encoder),
            OnnxHead.Classifier when classifies => (OnnxHead.Classifier, classifier),
            OnnxHead.LanguageModel when predicts => (OnnxHead.LanguageModel, language),
            OnnxHead.Classifier => throw Lacks("classifier: fine-tune the model first, or take another head"),
            OnnxHead.LanguageModel => throw Lacks("head of a language model: take another head, or none"),
            _ => throw new ArgumentException($"{nameof(OnnxOptions.Head)} is {head}, which is no head"),
        };

        InvalidDataException Lacks(string what) => new($"{source.Folder}: has no {what}");
    }

    private static Extent LengthOf(OnnxOptions options, SequenceModel model)
    {
        int most = model.MaxTokens ?? OnnxOptions.MostLength;
        if (options.Length is not { } length) return model is CnnModel ? most : "length";
        if (model is CnnModel && length != most)
            throw new ArgumentException($"{nameof(OnnxOptions.Length)} is {length}: rows of this model have {most} tokens");
        return length >= 1 && length <= most ? length
            : throw new ArgumentException($"{nameof(OnnxOptions.Length)} is {length}, and this model takes from 1 to {most} tokens");
    }

    /// <summary>The whole computation.</summary>
    private static void Build(Graph g, SequenceModel model, OnnxHead head, Extent length, Backend backend)
    {
        const string sequences = "sequences";
        string ids = g.Input("input_ids", sequences, length), mask = g.Input("attention_mask", sequences, length);
        int hidden = model.HiddenSize, labels = model.NumLabels;
        if (model is CnnModel cnn)
        {
            if (cnn.Tokenizer.PadId is { } pad)
                ids = g.Node("Where", [g.Node("Cast", [mask], Graph.Attribute("to", 9)), ids, g.Whole(pad)]);
            string vector = CnnNodes.Encode(g, ids);
            g.Output("embedding", vector, sequences, hidden);
            if (head == OnnxHead.Classifier) g.Output("logits", CnnNodes.Classify(g, cnn.Config, vector), sequences, labels);
            return;
        }

        var tokens = new Tokens(g, ids, mask);
        string x = model switch
        {
            Dnabert2Model m => TransformerNodes.Encode(g, m.Config, tokens, backend),
            DnabertModel m => TransformerNodes.Encode(g, m.Config, tokens, backend),
            NucleotideTransformerModel m => TransformerNodes.Encode(g, m.Config, tokens, backend),
            HyenaModel m => HyenaNodes.Encode(g, m.Config, tokens),
            _ => throw new NotSupportedException($"{model.Architecture.Name} has no form in ONNX here"),
        };
        g.Output("last_hidden_state", x, sequences, length, hidden);
        g.Output("embedding", tokens.Mean(x), sequences, hidden);
        if (head == OnnxHead.Classifier) g.Output("logits", Classify(g, model, x, tokens), sequences, labels);
        if (head == OnnxHead.LanguageModel)
        {
            (string logits, int vocabulary) = PredictTokens(g, model, x);
            g.Output("logits", logits, sequences, length, vocabulary);
        }
    }

    private static string Classify(Graph g, SequenceModel model, string x, Tokens tokens) => model switch
    {
        Dnabert2Model m => TransformerNodes.BertClassifier(g, x, tokens, m.Config.ClassifierPooling),
        NucleotideTransformerModel => TransformerNodes.EsmClassifier(g, x, tokens),
        HyenaModel m => HyenaNodes.Classify(g, m.Config, x, tokens),
        _ => TransformerNodes.BertClassifier(g, x, tokens, Pooling.Cls),
    };

    private static (string Logits, int Vocabulary) PredictTokens(Graph g, SequenceModel model, string x) => model switch
    {
        Dnabert2Model m => (TransformerNodes.BertMlmHead(g, x, m.Config.LayerNormEps), m.Config.VocabSize),
        DnabertModel m => (TransformerNodes.BertMlmHead(g, x, m.Config.LayerNormEps), m.Config.VocabSize),
        NucleotideTransformerModel m => (TransformerNodes.EsmMlmHead(g, x, m.Config.LayerNormEps), m.Config.VocabSize),
        _ => (g.Linear(x, "lm_head"), ((HyenaModel)model).Config.VocabRows),
    };

    /// <summary>What a user of the file wants to know of the model.</summary>
    private static IEnumerable<(string Key, string Value)> Metadata(ModelSource source, SequenceModel model, OnnxHead head)
    {
        string before = string.Join(' ', model.Frame.Before.ToArray()), after = string.Join(' ', model.Frame.After.ToArray());
        yield return ("architecture", source.Architecture.Name);
        yield return ("weights_sha256", source.HashOfWeights());
        yield return ("engine_version", Version);
        yield return ("tokenizer", source.DescribeTokenizer());
        yield return ("special_ids", $"{before} … {after}".Trim());
        yield return ("logits", head switch
        {
            OnnxHead.Classifier => "classifier",
            OnnxHead.LanguageModel => model.IsCausal ? "next token" : "masked tokens",
            _ => "none",
        });
        if (model.MaxTokens is { } most) yield return ("max_tokens", $"{most}");
    }

    internal static string Version => (typeof(OnnxExport).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "").Split('+')[0];
}
