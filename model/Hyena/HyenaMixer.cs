using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Hyena;

/// <summary>
/// The Hyena operator of order 2: three projections, shortly convolved, of which one is convolved over the whole sequence between two
/// gates.
/// </summary>
internal sealed class HyenaMixer
{
    private readonly Linear _in, _out;
    private readonly ShortConvolution _short;
    private readonly LongConvolution _long;
    private readonly ColumnProduct _before, _after;

    /// <summary>Declares the parameters under a name that ends in a dot.</summary>
    public HyenaMixer(ParameterSet set, HyenaConfig config, string name)
    {
        int d = config.DModel;
        _in = Linear.Declare(set, name + "in_proj", d, 3 * d);
        _out = Linear.Declare(set, name + "out_proj", d, d);
        _short = ShortConvolution.Declare(set, name + "short_filter", 3 * d, config.ShortFilterOrder);
        _long = LongConvolution.Declare(set, name + "filter_fn", d);
        Filter = new HyenaFilter(set, config, name + "filter_fn.implicit_filter.");
        // Of the columns [x0, x1, v] the last two, and the result with the first.
        _before = new ColumnProduct(2 * d, d, d);
        _after = new ColumnProduct(0, 0, d);
    }

    public IEnumerable<Linear> Linears => [_in, _out];

    /// <summary>What makes the filter of the long convolution.</summary>
    public HyenaFilter Filter { get; }

    /// <summary>u [tokens, d], residual [tokens, d] → [tokens, d]; in inference in the place of the residual.</summary>
    public Variable ForwardInPlace(Tape tape, Variable u, Variable residual, in CuSeqlens cuSeqlens)
    {
        Variable s = Convolved(tape, u, cuSeqlens);                                 // [tokens, 3 · d]: x0, x1, v
        Variable v = _before.Forward(tape, s, s);                                   // [tokens, d], v · x1
        Variable filter = Filter.Forward(tape, cuSeqlens.Longest);                  // [longest, d]
        Variable y = _long.Forward(tape, v, filter, cuSeqlens);                     // [tokens, d]
        y = _after.Forward(tape, y, s);                                             // [tokens, d], y · x0
        return _out.ForwardInPlace(tape, y, residual);                              // [tokens, d]
    }

    /// <summary>The projections after the short convolution: u [tokens, d] → [tokens, 3 · d].</summary>
    public Variable Convolved(Tape tape, Variable u, in CuSeqlens cuSeqlens)
    {
        Variable p = _in.Forward(tape, u);                                          // [tokens, 3 · d]
        return _short.Forward(tape, p, cuSeqlens);                                  // [tokens, 3 · d]
    }
}

/// <summary>
/// The implicit filter: a network with sines that makes the filter of each channel from positions, and a decay. Positions are those within
/// the longest sequence of the checkpoint, whatever is convolved.
/// </summary>
internal sealed class HyenaFilter
{
    private readonly Linear _first, _second, _third, _last;
    private readonly Sine _sine;
    private readonly FilterDecay _decay;
    private readonly int _longest;

    /// <summary>Declares the parameters under a name that ends in a dot.</summary>
    public HyenaFilter(ParameterSet set, HyenaConfig config, string name)
    {
        int order = config.FilterOrder;
        _longest = config.MaxSeqLen;
        _first = Linear.Declare(set, name + "0", config.EmbDim, order);
        // One parameter for the three sines; in PyTorch 3.freq and 5.freq are the same tensor.
        _sine = Sine.Declare(set, name + "1", order);
        _second = Linear.Declare(set, name + "2", order, order);
        _third = Linear.Declare(set, name + "4", order, order);
        _last = Linear.Declare(set, name + "6", order, config.DModel, bias: false);
        _decay = new FilterDecay(_longest);
    }

    /// <summary>The filter of the first so many positions: [positions, d].</summary>
    public Variable Forward(Tape tape, int positions)
    {
        Tensor z = tape.Rent(positions, _first.Weight.Shape[1], DType.F32);         // [positions, emb]
        tape.Backend.Run(new FilterPositions(_longest, z));
        Variable h = _sine.ForwardInPlace(tape, _first.Forward(tape, z));           // [positions, order]
        h = _sine.ForwardInPlace(tape, _second.Forward(tape, h));                   // [positions, order]
        h = _sine.ForwardInPlace(tape, _third.Forward(tape, h));                    // [positions, order]
        return _decay.ForwardInPlace(tape, _last.Forward(tape, h));                 // [positions, d]
    }
}
