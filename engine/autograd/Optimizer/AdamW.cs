using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>The settings of <see cref="AdamW"/>; the defaults are PyTorch's.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the first moment.</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>Decay of the second moment.</summary>
    public float Beta2 { get; init; } = 0.999f;

    /// <summary>Added to the root of the second moment.</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Decoupled weight decay.</summary>
    public float WeightDecay { get; init; } = 0.01f;

    /// <summary>Whether biases and layer normalisations are decayed too.</summary>
    public bool DecayBiasAndNorm { get; init; }

    /// <summary>The global norm to which gradients are clipped; null: they are not.</summary>
    public float? ClipNorm { get; init; }
}

/// <summary>
/// AdamW over the flat buffers of a <see cref="ParameterSet"/>. Its moments lie in the same layout, so a step is one pass for each run
/// of neighbouring parameters with the same decay.
/// </summary>
public sealed class AdamW
{
    private readonly ParameterSet _set;
    private readonly AdamWOptions _options;
    private readonly List<(long Start, int Count, float Decay)> _runs = [];

    /// <summary>An optimizer of the parameters that are trained at this moment.</summary>
    /// <param name="set">Filled by <see cref="ParameterSet.FillFlat"/>, with gradients.</param>
    /// <param name="options">The settings.</param>
    public AdamW(ParameterSet set, AdamWOptions options)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(options);
        (_set, _options) = (set, options);
        (FirstMoment, SecondMoment) = (set.AllocateFlat(), set.AllocateFlat());
        foreach (Parameter p in set.Parameters)
            if (p.TiedTo is null && p.IsTrained) Add(p);
    }

    /// <summary>The first moments, in the layout of <see cref="ParameterSet.Values"/>.</summary>
    public Tensor FirstMoment { get; }

    /// <summary>The second moments, likewise.</summary>
    public Tensor SecondMoment { get; }

    /// <summary>Steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>Clips the gradients, updates the parameters and sets the gradients to 0.</summary>
    /// <param name="learningRate">The step's learning rate.</param>
    /// <param name="norm">The global norm of the gradients before clipping.</param>
    /// <returns>Whether a step was taken: with a norm that is not finite the parameters stay as they are.</returns>
    public bool Step(double learningRate, out double norm)
    {
        Backend backend = _set.Backend;
        norm = Math.Sqrt(SumOfSquares());
        bool finite = double.IsFinite(norm);
        if (finite)
        {
            // As torch.nn.utils.clip_grad_norm_ does it.
            double scale = _options.ClipNorm is { } limit ? Math.Min(1, limit / (norm + 1e-6)) : 1;
            Steps++;
            foreach ((long start, int count, float decay) in _runs)
            {
                var step = new AdamWStep((float)learningRate, _options.Beta1, _options.Beta2, _options.Epsilon, decay, Steps, (float)scale);
                var shape = new Shape(count);
                backend.AdamW(step, _set.Values.Slice(start, shape), _set.Gradients.Slice(start, shape), FirstMoment.Slice(start, shape), SecondMoment.Slice(start, shape));
            }
        }

        backend.Clear(_set.Gradients);
        return finite;
    }

    private double SumOfSquares()
    {
        double sum = 0;
        foreach ((long start, int count, _) in _runs) sum += _set.Backend.SumOfSquares(_set.Gradients.Slice(start, new Shape(count)));
        return sum;
    }

    private void Add(Parameter p)
    {
        bool decayed = _options.DecayBiasAndNorm || p.Kind is not (ParameterKind.Bias or ParameterKind.NormWeight or ParameterKind.NormBias);
        float decay = decayed ? _options.WeightDecay : 0;
        if (_runs.Count > 0 && _runs[^1] is var (start, count, before) && before == decay && p.Offset - (start + count) is >= 0 and < ParameterSet.Alignment
            && p.Offset + p.Shape.Count - start <= int.MaxValue)
            _runs[^1] = (start, (int)(p.Offset + p.Shape.Count - start), decay);
        else _runs.Add((p.Offset, (int)p.Shape.Count, decay));
    }
}
