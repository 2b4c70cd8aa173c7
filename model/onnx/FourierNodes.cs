using System.Numerics;

namespace Dnabert2.Onnx;

/// <summary>
/// Causal convolutions as long as the sequence by Fourier transforms of n points, the smallest power of two from twice the length on, so
/// that nothing wraps around. A transform is two matrix products, over the rows and over the columns of n = rows · columns points (Cooley
/// and Tukey 1965; Bailey 1990), which takes O(n^1.5), but of the operator that every runtime has on every device: the DFT of ONNX, of
/// O(n log n), few have. The spectrum stays in the order in which the transform leaves it.
/// </summary>
internal sealed class FourierNodes
{
    private readonly Graph _graph;
    private readonly string _length, _padding, _matrix, _rows, _columns, _cosines;
    private readonly string _byRows, _byColumns, _byRowsBack, _byColumnsBack, _cos, _sin;
    private readonly long _period;

    /// <summary>Makes the tables that all transforms of a run share.</summary>
    /// <param name="g">The graph.</param>
    /// <param name="length">The tokens of a row, [1].</param>
    /// <param name="longest">The most that they are.</param>
    public FourierNodes(Graph g, string length, int longest)
    {
        (_graph, _length) = (g, length);
        int bits = Math.Max(2, BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)longest * 2)));
        _period = 1L << bits;
        // Of one period, rounded from float64: the angles of every transform are among them.
        float[] cosines = [.. Enumerable.Range(0, 1 << bits).Select(i => (float)Math.Cos(2 * Math.PI * i / (1L << bits)))];
        _cosines = g.Constant(Initializer.Of("fourier.cosines", cosines, cosines.Length));
        long[] powers = [.. Enumerable.Range(2, bits - 1).Select(b => 1L << b)];
        string isLess = g.Node("Less", [g.List(powers), g.Mul(length, g.List(2))]);
        string which = g.Node("ReduceSum", [g.ToWhole(isLess), g.List(0)]);         // [1]
        string points = g.Gather(g.List(powers), which);                            // [1], as all that follow
        _rows = g.Gather(g.List([.. Enumerable.Range(2, bits - 1).Select(b => 1L << ((b + 1) / 2))]), which);
        _columns = g.Node("Div", [points, _rows]);
        // The second half of the points is 0 before a convolution, and not wanted after it.
        string half = g.Node("Div", [_rows, g.List(2)]);
        string missing = g.Sub(g.Node("Div", [points, g.List(2)]), length);
        _padding = g.Node("Concat", [g.List(0, 0, 0, 0, 0), missing], Graph.Attribute("axis", 0));
        _matrix = g.Node("Concat", [g.List(0, 0), half, _columns], Graph.Attribute("axis", 0));

        (string c, string s) = Table(_rows, half, _rows);                           // [rows, half]
        _byRows = g.Node("Concat", [c, g.Node("Neg", [s])], Graph.Attribute("axis", 0));    // [2 · rows, half]
        _byRowsBack = g.Div(g.Transpose(_byRows, 1, 0), g.ToFloat(points));         // [half, 2 · rows]
        (_cos, _sin) = Table(_rows, _columns, points);                              // [rows, columns]
        (c, s) = Table(_columns, _columns, _columns);                               // [columns, columns]
        string upper = g.Node("Concat", [c, g.Node("Neg", [s])], Graph.Attribute("axis", 1)),
            lower = g.Node("Concat", [s, c], Graph.Attribute("axis", 1));
        _byColumns = g.Node("Concat", [upper, lower], Graph.Attribute("axis", 0));  // [2 · columns, 2 · columns]
        _byColumnsBack = g.Transpose(_byColumns, 1, 0);
    }

    /// <summary><c>y[t] = Σ_{τ ≤ t} k[τ] · v[t − τ]</c>.</summary>
    /// <param name="v">[sequences, d, length].</param>
    /// <param name="k">[1, d, length].</param>
    /// <returns>[sequences, d, length].</returns>
    public string Convolve(string v, string k)
    {
        Graph g = _graph;
        string[] a = g.Split(Transform(v), 2, -1), b = g.Split(Transform(k), 2, -1);// real and imaginary, [·, d, rows, columns]
        string real = g.Sub(g.Mul(a[0], b[0]), g.Mul(a[1], b[1])), imaginary = g.Add(g.Mul(a[0], b[1]), g.Mul(a[1], b[0]));
        string product = g.Node("Concat", [real, imaginary], Graph.Attribute("axis", -1));  // [sequences, d, rows, 2 · columns]
        string[] x = g.Split(g.MatMul(product, _byColumnsBack), 2, -1);
        string turned = g.Node(
            "Concat", [g.Sub(g.Mul(x[0], _cos), g.Mul(x[1], _sin)), g.Add(g.Mul(x[1], _cos), g.Mul(x[0], _sin))],
            Graph.Attribute("axis", -2));                                           // [sequences, d, 2 · rows, columns]
        string y = g.Reshape(g.MatMul(_byRowsBack, turned), 0, 0, -1);              // [sequences, d, points / 2]
        return g.Node("Slice", [y, g.List(0), _length, g.List(2)]);
    }

    /// <summary>[·, d, length] → real and imaginary parts side by side, [·, d, rows, 2 · columns].</summary>
    private string Transform(string x)
    {
        Graph g = _graph;
        string matrix = g.Node("Reshape", [g.Node("Pad", [x, _padding]), _matrix]); // [·, d, half, columns]
        string[] b = g.Split(g.MatMul(_byRows, matrix), 2, -2);                     // [·, d, rows, columns]
        string turned = g.Node(
            "Concat", [g.Add(g.Mul(b[0], _cos), g.Mul(b[1], _sin)), g.Sub(g.Mul(b[1], _cos), g.Mul(b[0], _sin))],
            Graph.Attribute("axis", -1));                                           // [·, d, rows, 2 · columns]
        return g.MatMul(turned, _byColumns);
    }

    /// <summary>cos and sin of <c>2π i j / period</c>, [rows, columns].</summary>
    private (string Cos, string Sin) Table(string rows, string columns, string period)
    {
        Graph g = _graph;
        string product = g.Mul(g.Unsqueeze(Numbers(rows), 1), g.Unsqueeze(Numbers(columns), 0));
        string place = g.Mul(g.Node("Mod", [product, period]), g.Node("Div", [g.List(_period), period]));
        string quarterBack = g.Node("Mod", [g.Add(place, g.List(_period / 4 * 3)), g.List(_period)]);
        return (g.Gather(_cosines, place), g.Gather(_cosines, quarterBack));
    }

    private string Numbers(string count) => _graph.Node("Range", [_graph.Whole(0), _graph.Squeeze(count, 0), _graph.Whole(1)]);
}
