namespace Dnabert2.Cnn;

/// <summary>
/// The hyper-parameters of the convolutional network of Genomic Benchmarks (Grešová et al. 2023, in its PyTorch form). Its three
/// convolutions are those of the paper: 16, 8 and 4 channels, windows of 8, pools of 2.
/// </summary>
public sealed record CnnConfig
{
    internal const int MostTokens = 1 << 20, MostWidth = 1 << 16, MostPositions = 1 << 24, MostLabels = 1 << 16;

    // What the three convolutions and pools leave at least one position of.
    internal const int LeastPositions = 57;

    /// <summary>Entries of the vocabulary, from 1 to 1,048,576: the letters and the special tokens.</summary>
    public int VocabSize { get; init; } = 7;

    /// <summary>Width of the embeddings, from 1 to 65,536.</summary>
    public int EmbeddingDim { get; init; } = 100;

    /// <summary>Tokens of every sequence, from 57 to 16,777,216: every sequence has as many.</summary>
    public int InputLength { get; init; } = 202;

    /// <summary>Width of the layer between the convolutions and the outputs, from 1 to 65,536.</summary>
    public int HiddenSize { get; init; } = 512;

    /// <summary>Classes, from 2 to 65,536. Two classes have one output.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary>Outputs of the network.</summary>
    public int Outputs => NumLabels == 2 ? 1 : NumLabels;

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check(nameof(VocabSize), VocabSize, 1, MostTokens);
        OptionRange.Check(nameof(EmbeddingDim), EmbeddingDim, 1, MostWidth);
        OptionRange.Check(nameof(InputLength), InputLength, LeastPositions, MostPositions);
        OptionRange.Check(nameof(HiddenSize), HiddenSize, 1, MostWidth);
        OptionRange.Check(nameof(NumLabels), NumLabels, 2, MostLabels);
        if ((long)HiddenSize * InputLength / 2 > int.MaxValue)
            throw new ArgumentException(
                $"{nameof(HiddenSize)} {HiddenSize} and {nameof(InputLength)} {InputLength} make more weights than are supported");
    }
}
