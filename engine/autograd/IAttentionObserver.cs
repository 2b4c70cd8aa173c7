namespace Engine.Autograd;

/// <summary>
/// Sees the probabilities of attention in a forward pass of one sequence; see <see cref="Tape.ForInference"/>. They are what the kernel of
/// attention itself gives for values that are the columns of an identity matrix, so every score modification is in them, and a pass without
/// an observer stores no matrix of scores.
/// </summary>
public interface IAttentionObserver
{
    /// <summary>Called for each attention of the pass, in the order in which they run: for models, layer by layer.</summary>
    /// <param name="heads">The number of heads.</param>
    /// <param name="probabilities">[heads, queries, keys]: how much of each key's value a query takes; valid during the call.</param>
    void Observe(int heads, ReadOnlySpan<float> probabilities);
}
