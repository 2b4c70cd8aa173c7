using Dnabert2.FineTuning;
using Engine.Kernels;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options of <c>finetune</c> and <c>evaluate</c> that say how rows become what is classified.</summary>
internal static class RowFlags
{
    /// <summary>Adds them.</summary>
    /// <param name="setters">To these.</param>
    /// <param name="change">Changes the options of a record.</param>
    public static void Add<TRecord>(Setters<TRecord> setters, Func<TRecord, Func<FineTuneOptions, FineTuneOptions>, TRecord> change)
    {
        setters.Add<bool>(
            "--rc-augment", "take each training row from either strand, drawn anew in each epoch",
            (r, v) => change(r, o => o with { AugmentReverseComplement = v }));
        setters.Add<bool>(
            "--rc-average", "average the probabilities, or the values, of both strands on dev and test",
            (r, v) => change(r, o => o with { AverageReverseComplement = v }));
        setters.Add<Pooling>(
            "--classifier-pooling", "which vector of a row a DNABERT-2 classifies: cls, the first token's, or mean [the model's own: cls]",
            (r, v) => change(r, o => o with { ClassifierPooling = v }));
    }
}
