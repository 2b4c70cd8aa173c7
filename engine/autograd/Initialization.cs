using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Initial values.</summary>
public static class Initialization
{
    private const uint Site = 0x494E4954;
    private const float Frequency = 10;

    /// <summary>
    /// BERT's initialisation: weights and embeddings from N(0, <paramref name="range"/>), biases 0, norms 1 and 0, frequencies 10. Low-rank
    /// additions as in the PEFT library: the first factor uniform in ±1 / sqrt(in) (Kaiming's with a = sqrt(5)), the second 0. Drawn from
    /// the counter-based generator: the same for a seed on every machine.
    /// </summary>
    public static ParameterSource Normal(ulong seed, float range) => (parameter, index, destination) =>
    {
        switch (parameter.Kind)
        {
            case ParameterKind.NormWeight:
                destination.Fill(1);
                break;
            case ParameterKind.Bias or ParameterKind.NormBias or ParameterKind.LowRankUp:
                destination.Clear();
                break;
            case ParameterKind.Frequency:
                destination.Fill(Frequency);
                break;
            case ParameterKind.LowRankDown:
                new Philox(seed, (uint)index, Site).FillUniform(destination, 1 / MathF.Sqrt(parameter.Shape[1]));
                break;
            default:
                new Philox(seed, (uint)index, Site).FillNormal(destination, range);
                break;
        }
    };

    /// <summary>
    /// PyTorch's defaults: embeddings from N(0, 1); weights, and biases that are declared right behind theirs, uniform in ±1 / √inputs;
    /// factors of normalisations 1, addends 0. Drawn from the counter-based generator: the same for a seed on every machine.
    /// </summary>
    /// <param name="seed">Decides the values.</param>
    /// <param name="set">The set of the parameters.</param>
    public static ParameterSource FanIn(ulong seed, ParameterSet set) => (parameter, index, destination) =>
    {
        switch (parameter.Kind)
        {
            case ParameterKind.NormWeight:
                destination.Fill(1);
                break;
            case ParameterKind.NormBias or ParameterKind.LowRankUp:
                destination.Clear();
                break;
            case ParameterKind.Frequency:
                destination.Fill(Frequency);
                break;
            case ParameterKind.Embedding:
                new Philox(seed, (uint)index, Site).FillNormal(destination, 1);
                break;
            default:
                Shape weight = parameter.Kind == ParameterKind.Bias ? set.Parameters[index - 1].Shape : parameter.Shape;
                new Philox(seed, (uint)index, Site).FillUniform(destination, 1 / MathF.Sqrt(weight.Count / weight[0]));
                break;
        }
    };
}
