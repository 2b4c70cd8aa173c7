using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Engine.Runtime;
using Tests.Folders;

namespace Tests.Interpretation;

/// <summary>The likelihoods of variants of any architecture, against one masked sequence at a time.</summary>
public sealed class VariantLikelihoodTests
{
    private const int Width = 18;
    private static readonly string One = SmallModels.Dna(51, 60) + "N" + SmallModels.Dna(52, 60);

    public static TheoryData<string> Names => TinyModels.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void The_likelihood_of_a_base_and_the_pseudo_likelihood_are_those_of_plain_loops_on_both_strands(string name)
    {
        using Backend backend = CpuBackend.Create(2);
        using SequenceModel model = TinyModels.Make(name, backend, ModelParts.MlmHead);
        var plain = new PlainScorer(model);
        Variant[] variants =
        [
            Of(30, 1, One[29] == 'A' ? "G" : "A"), Of(25, 3, "TTT"), Of(20, 1, One[19] + "GAT"), Of(33, 4, One.Substring(32, 1)),
            // N is in the window.
            Of(57, 1, One[56] == 'C' ? "T" : "C"),
        ];
        var options = new VariantOptions
        {
            Window = Width,
            AverageReverseComplement = true,
            Scores = VariantScores.Likelihood | (model.IsCausal ? 0 : VariantScores.PseudoLikelihood),
        };
        var scorer = new VariantScorer(new InterpretedModel(model, null, [], null), GenomeTests.Of($">one\n{One}\n"), options);
        foreach (VariantScore score in scorer.Score(variants))
        {
            Assert.Equal((VariantStatus.Scored, ""), (score.Status, score.Reason));
            (string before, string after) = Windows(score.Normalized!);
            Assert.Equal(Both(turn =>
            {
                (double without, double with) = plain.LogLikelihoodsPerBase(turn(before), turn(after));
                return with - without;
            }), score.LikelihoodChangePerBase, 2e-5);
            Assert.True(double.IsNaN(score.CosineDistance));
            if (model.IsCausal)
            {
                Assert.True(double.IsNaN(score.PseudoLikelihoodChange));
                continue;
            }

            Assert.Equal(Both(turn => plain.PseudoLogLikelihood(turn(after)).Sum - plain.PseudoLogLikelihood(turn(before)).Sum),
                score.PseudoLikelihoodChange, 5e-5);
            Assert.Equal(Both(turn => PerBase(plain.PseudoLogLikelihood(turn(after))) - PerBase(plain.PseudoLogLikelihood(turn(before)))),
                score.PseudoLikelihoodChangePerBase, 2e-5);
        }

        static double PerBase((double Sum, int Bases) likelihood) => likelihood.Sum / likelihood.Bases;

        static double Both(Func<Func<string, string>, double> of) => (of(s => s) + of(Tests.Field.StrandTests.Turned)) / 2;
    }

    [Fact]
    public void What_a_model_does_not_have_is_refused_by_the_name_of_the_option()
    {
        using Backend backend = CpuBackend.Create(1);
        Genome genome = GenomeTests.Of($">one\n{One}\n");
        using SequenceModel causal = TinyModels.Make("HyenaDNA", backend, ModelParts.MlmHead);
        using SequenceModel classifier = TinyModels.Make("DNABERT-2", backend, ModelParts.Pooler | ModelParts.Classifier);
        Refused(causal, null, VariantScores.PseudoLikelihood, "a causal model has the likelihood of the window itself");
        Refused(causal, null, VariantScores.Distances | VariantScores.Classes, "the model is not fine-tuned and has no classes");
        Refused(classifier, TaskKind.SingleLabel, VariantScores.Likelihood, "the model has no head of a language model");
        var tuned = new InterpretedModel(classifier, TaskKind.SingleLabel, ["no", "yes"], null);
        Assert.Equal(
            ["cosine_distance", "euclidean_distance", "p_no", "change_no", "p_yes", "change_yes"],
            new VariantScorer(tuned, genome).Columns.Select(column => column.Name));

        void Refused(SequenceModel model, TaskKind? task, VariantScores scores, string message)
        {
            string error = Assert.Throws<ArgumentException>(() => new VariantScorer(
                new InterpretedModel(model, task, task is null ? [] : ["no", "yes"], null), genome,
                new VariantOptions { Scores = scores })).Message;
            Assert.StartsWith("Scores is ", error);
            Assert.Contains(message, error, StringComparison.Ordinal);
        }
    }

    private static (string Before, string After) Windows(Variant form)
    {
        int at = (int)form.Position - 1, length = form.Reference.Length, room = Width - length;
        string before = One.Substring(at - (room / 2), Width);
        return (before, before[..(room / 2)] + form.Alternative + before[((room / 2) + length)..]);
    }

    private static Variant Of(int position, int length, string alternative) =>
        new(1, "one", position, ".", One.Substring(position - 1, length), alternative);
}
