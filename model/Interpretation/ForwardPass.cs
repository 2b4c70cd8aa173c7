namespace Dnabert2.Interpretation;

/// <summary>What is wanted of a forward pass.</summary>
[Flags]
internal enum PassOutputs
{
    /// <summary>The logarithms of the probabilities that are asked of it.</summary>
    Likelihood = 1,

    /// <summary>The mean of the token vectors.</summary>
    Embedding = 2,

    /// <summary>The logits of the classifier.</summary>
    Logits = 4,
}

/// <summary>One sequence on its way through a model: the questions about it before, the answers after.</summary>
/// <param name="outputs">What is wanted besides the answers.</param>
internal sealed class ForwardPass(PassOutputs outputs)
{
    private readonly List<(int Row, int Token)> _questions = [];

    /// <summary>What is wanted.</summary>
    public PassOutputs Outputs { get; private set; } = outputs;

    /// <summary>Places, the special tokens before the sequence not counted, and the tokens whose probability there is wanted.</summary>
    public IReadOnlyList<(int Row, int Token)> Questions => _questions;

    /// <summary>ln p of each question.</summary>
    public double[] Answers { get; set; } = [];

    /// <summary>[hidden], if wanted.</summary>
    public float[] Embedding { get; set; } = [];

    /// <summary>[labels], if wanted.</summary>
    public float[] Logits { get; set; } = [];

    /// <summary>Wants more of it, for another that shares it.</summary>
    public void Want(PassOutputs more) => Outputs |= more;

    /// <summary>
    /// Asks for the probabilities of tokens at successive places: of masked ones there, of a causal model those that come next.
    /// </summary>
    /// <returns>Where the answers will be.</returns>
    public Range Ask(int firstRow, ReadOnlySpan<int> tokens)
    {
        int first = _questions.Count;
        for (int i = 0; i < tokens.Length; i++) _questions.Add((firstRow + i, tokens[i]));
        return first..(first + tokens.Length);
    }

    /// <summary>Asks a causal model for the probabilities of tokens, each after those before it.</summary>
    /// <param name="tokens">All tokens.</param>
    /// <param name="first">The first one that is asked for.</param>
    /// <returns>Where the answers will be.</returns>
    public Range AskNext(ReadOnlySpan<int> tokens, int first = 1)
    {
        // Nothing tells how probable the first one is.
        first = Math.Min(Math.Max(first, 1), tokens.Length);
        return Ask(first - 1, tokens[first..]);
    }

    /// <summary>The sum of some answers: the log-likelihood of these tokens.</summary>
    public double LogLikelihood(Range answers)
    {
        double sum = 0;
        foreach (double answer in Answers.AsSpan(answers)) sum += answer;
        return sum;
    }
}
