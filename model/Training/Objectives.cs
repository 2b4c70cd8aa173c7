using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Training;

/// <summary>The losses that models are trained with.</summary>
public static class Objectives
{
    /// <summary>The masked-language-model loss: the cross-entropy of each masked token.</summary>
    /// <param name="model">A model with an MLM head.</param>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The tokens, some of them masked.</param>
    /// <param name="rows">I32 [masked]: which tokens.</param>
    /// <param name="labels">I32 [masked]: their ids before masking; a negative one is ignored.</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of labels of the whole step.</param>
    /// <returns>[masked].</returns>
    public static Variable MaskedLanguageModel(SequenceModel model, Tape tape, in Batch batch, Tensor rows, Tensor labels, Tensor scale)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Parts.HasFlag(ModelParts.CausalHead) ? throw new InvalidOperationException("a causal model predicts the next token")
            : LanguageModel(model, tape, batch, rows, labels, scale);               // [masked]
    }

    /// <summary>The loss of a causal language model: the cross-entropy of the token behind each row.</summary>
    /// <param name="model">A model with a causal head.</param>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The tokens.</param>
    /// <param name="rows">I32 [rows]: from which tokens the next one is told.</param>
    /// <param name="labels">I32 [rows]: the ids of these; a negative one is ignored.</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of labels of the whole step.</param>
    /// <returns>[rows].</returns>
    public static Variable NextToken(SequenceModel model, Tape tape, in Batch batch, Tensor rows, Tensor labels, Tensor scale)
    {
        ArgumentNullException.ThrowIfNull(model);
        return !model.Parts.HasFlag(ModelParts.CausalHead) ? throw new InvalidOperationException("the model has no causal head")
            : LanguageModel(model, tape, batch, rows, labels, scale);               // [rows]
    }

    /// <summary>Either of them, as the model has a head for.</summary>
    internal static Variable LanguageModel(SequenceModel model, Tape tape, in Batch batch, Tensor rows, Tensor labels, Tensor scale)
    {
        Variable x = model.Encode(tape, batch);                                     // [tokens, hidden]
        Variable asked = GatherRows.Instance.Forward(tape, x, rows);                // [rows, hidden]
        Variable logits = model.PredictTargets(tape, asked);                        // [rows, vocabulary]
        return CrossEntropy.Instance.ForwardInPlace(tape, logits, labels, scale);   // [rows]
    }

    /// <summary>
    /// The loss of a single-label classifier: the cross-entropy of each sequence, or what the model was published with in its place.
    /// </summary>
    /// <param name="model">A model with a classifier.</param>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="labels">I32 [sequences].</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of sequences of the whole step.</param>
    /// <param name="weights">[sequences], the factor of each loss, or absent: all 1.</param>
    /// <returns>[sequences].</returns>
    public static Variable Classification(
        SequenceModel model, Tape tape, in Batch batch, Tensor labels, Tensor scale, Tensor weights = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.ClassificationLosses(tape, batch, labels, scale, weights);     // [sequences]
    }

    /// <summary>The loss of a multi-label classifier: the binary cross-entropy of each label of each sequence.</summary>
    /// <param name="model">A model with a classifier.</param>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="targets">[sequences, labels], 0 or 1.</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of labels of all sequences of the whole step.</param>
    /// <param name="weights">[sequences, labels], the factor of each loss, or absent: all 1.</param>
    /// <returns>[sequences, labels].</returns>
    public static Variable MultiLabel(
        SequenceModel model, Tape tape, in Batch batch, Tensor targets, Tensor scale, Tensor weights = default) =>
        BinaryCrossEntropy.Instance.Forward(tape, Classified(model, tape, batch), targets, scale, weights);

    /// <summary>The loss of a regression: the squared error of each sequence.</summary>
    /// <param name="model">A model with a classifier.</param>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="targets">[sequences, values].</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of sequences of the whole step.</param>
    /// <param name="weights">[sequences, values], the factor of each loss, or absent: all 1.</param>
    /// <returns>[sequences, values].</returns>
    public static Variable Regression(
        SequenceModel model, Tape tape, in Batch batch, Tensor targets, Tensor scale, Tensor weights = default) =>
        SquaredError.Instance.Forward(tape, Classified(model, tape, batch), targets, scale, weights);

    private static Variable Classified(SequenceModel model, Tape tape, in Batch batch)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Classify(tape, batch);                                         // [sequences, labels]
    }
}
