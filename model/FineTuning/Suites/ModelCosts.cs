using System.Globalization;
using System.Text;
using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.FineTuning.Suites;

/// <summary>What a model of the paper is and costs, as this engine counts it, beside the paper's table 3.</summary>
/// <param name="Model">The model.</param>
/// <param name="Parameters">
/// Its parameters: encoder and pooler, or of the Nucleotide Transformer the head of its language model, whose decoder is the embeddings'.
/// </param>
/// <param name="PaperParameters">The paper's, in millions.</param>
/// <param name="Tokens">Tokens of a sequence, special ones included: the mean over the sequences.</param>
/// <param name="Flops">
/// Floating-point operations of a forward pass through the encoder for a sequence, a multiplication and an addition counted as two:
/// 2 · W · T + 4 · L · H · T² for W weights of linear layers, T tokens, L layers and attention of width H. The mean over the sequences.
/// </param>
/// <param name="PaperRelative">The paper's, in multiples of those of DNABERT-2.</param>
public sealed record ModelCost(
    string Model, long Parameters, int PaperParameters, double Tokens, double Flops, double PaperRelative);

/// <summary>The paper's table 3 (Zhou et al., arXiv 2306.15006v2): sizes of models and the work of a forward pass.</summary>
public static class ModelCosts
{
    // Of the models by Dalla-Torre et al., the Nucleotide Transformer: layers, hidden and intermediate size.
    private static readonly NucleotideTransformerConfig Nt500M = new()
    {
        VocabSize = 4105,
        HiddenSize = 1280,
        NumHiddenLayers = 24,
        NumAttentionHeads = 20,
        IntermediateSize = 5120,
        MaxPositionEmbeddings = 1002,
    };

    private static readonly NucleotideTransformerConfig Nt2500M = Nt500M with
    {
        HiddenSize = 2560,
        NumHiddenLayers = 32,
        IntermediateSize = 10240,
    };

    /// <summary>Counts. Models are declared, not made: no memory is taken for their weights.</summary>
    /// <param name="sequences">Sequences of ASCII bases; the paper's have 500.</param>
    /// <param name="tokenizer">The tokenizer of DNABERT-2.</param>
    /// <exception cref="ArgumentException">There is no sequence.</exception>
    public static IReadOnlyList<ModelCost> Of(IReadOnlyList<byte[]> sequences, BpeTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (sequences.Count == 0) throw new ArgumentException("there is no sequence to count for", nameof(sequences));
        using Backend backend = CpuBackend.Create(1);
        var costs = new List<ModelCost>();
        for (int k = 3; k <= 6; k++)
            Add(DnabertModel.Make(
                new DnabertConfig { VocabSize = (1 << (2 * k)) + 5 }, new DnabertTokenizer(k), backend, ModelParts.Pooler, Nothing, null),
                $"DNABERT ({k}-mer)", k switch { 5 => 87, 6 => 89, _ => 86 }, k switch { 3 => 3.27, 6 => 3.25, _ => 3.26 });
        foreach ((string name, NucleotideTransformerConfig config, int millions, double relative) in
            ((string, NucleotideTransformerConfig, int, double)[])
            [("NT-500M-human", Nt500M, 480, 3.19), ("NT-500M-1000g", Nt500M, 480, 3.19), ("NT-2500M-1000g", Nt2500M, 2537, 19.44),
                ("NT-2500M-multi", Nt2500M, 2537, 19.44)])
            Add(NucleotideTransformerModel.Make(
                config, new NucleotideTransformerTokenizer(6), backend, ModelParts.MlmHead, Nothing, null), name, millions, relative,
                shared: (long)config.VocabSize * config.HiddenSize);
        foreach (string name in (string[])["DNABERT-2", "DNABERT-2, further pre-trained on GUE"])
            Add(Dnabert2Model.Make(
                new Dnabert2Config { VocabSize = tokenizer.VocabularySize }, tokenizer, backend, ModelParts.Pooler, Nothing), name, 117, 1);
        return costs;

        void Add(SequenceModel model, string name, int millions, double relative, long shared = 0)
        {
            using (model)
            {
                double tokens = 0, flops = 0;
                foreach (byte[] sequence in sequences)
                {
                    int length = TokensOf(model, sequence);
                    tokens += length;
                    // A forward pass is a third of a training step.
                    flops += TrainingFlops.Of(model.Cost, length, 0, (long)length * length) / 3;
                }

                costs.Add(new ModelCost(
                    name, model.Parameters.Count - shared, millions, tokens / sequences.Count, flops / sequences.Count, relative));
            }
        }

        static void Nothing(ParameterSet set)
        {
        }
    }

    /// <summary>The table as TSV.</summary>
    public static byte[] Tsv(IReadOnlyList<ModelCost> costs)
    {
        ArgumentNullException.ThrowIfNull(costs);
        double one = costs.First(cost => cost.Model == "DNABERT-2").Flops;
        var text = new StringBuilder("model\tparameters\tpaper_parameters\ttokens\tgflops\trelative_flops\tpaper_relative_flops\n");
        foreach (ModelCost cost in costs)
            text.Append(CultureInfo.InvariantCulture,
                $"{cost.Model}\t{cost.Parameters}\t{cost.PaperParameters}M\t{cost.Tokens:F1}\t{cost.Flops / 1e9:F2}\t{cost.Flops / one:F2}"
                + $"\t{cost.PaperRelative:F2}\n");
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static int TokensOf(SequenceModel model, byte[] sequence)
    {
        var ids = new List<int>();
        model.Tokenizer.EncodeSequence(sequence, ids);
        return ids.Count + model.Frame.Before.Length + model.Frame.After.Length;
    }
}
