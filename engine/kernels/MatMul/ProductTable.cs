using System.Globalization;
using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// Which form of a product is the fastest, by GPU architecture and shape, as it was measured (<c>bench/gpu</c>, "tune"). A line an entry:
/// compute capability, <c>forward</c>, <c>input-gradient</c> or <c>weight-gradient</c>, rows, columns and depth, the form; <c>#</c> begins
/// a comment. A form that failed its check on a GPU is not in the table, and what is not in it is not used: an architecture without
/// entries has <see cref="ProductForm.Mma"/>.
/// </summary>
internal sealed class ProductTable
{
    private const string Resource = "products.txt";
    private static readonly string[] Kinds = ["forward", "input-gradient", "weight-gradient"];
    private static readonly Lazy<ProductTable> Embedded = new(ReadEmbedded);
    private readonly List<Entry> _entries = [];

    /// <summary>The table of this assembly.</summary>
    public static ProductTable Default => Embedded.Value;

    /// <summary>Reads a table.</summary>
    /// <param name="lines">Its lines.</param>
    /// <param name="name">The file, for messages.</param>
    /// <exception cref="InvalidDataException">A line is none of a table; the message names it.</exception>
    public static ProductTable Read(IEnumerable<string> lines, string name)
    {
        var table = new ProductTable();
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            string[] fields = line.Split('#')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (fields.Length == 0) continue;
            if (fields is not [var architecture, var kind, var rows, var columns, var depth, var form]
                || !Version.TryParse(architecture, out Version? version) || Array.IndexOf(Kinds, kind) < 0
                || !Size(rows, out int r) || !Size(columns, out int c) || !Size(depth, out int d)
                || ProductForm.All.FirstOrDefault(f => f.Name == form) is not { } found)
                throw new InvalidDataException(
                    $"{name}, line {number}: '{line}' is not 'COMPUTE-CAPABILITY {string.Join('|', Kinds)} ROWS COLUMNS DEPTH "
                    + $"{string.Join('|', ProductForm.All.Select(f => f.Name))}'; run bench/gpu/run.sh tune");
            table._entries.Add(new(version, (ProductKind)Array.IndexOf(Kinds, kind), r, c, d, found));
        }

        return table;
    }

    /// <summary>A line of a table.</summary>
    public static string Line(Version architecture, ProductKind kind, int rows, int columns, int depth, ProductForm form) =>
        FormattableString.Invariant($"{architecture} {Kinds[(int)kind]} {rows} {columns} {depth} {form.Name}");

    /// <summary>The form of the nearest entry: distances are ratios of sizes, of columns and depth before rows.</summary>
    /// <param name="architecture">The GPU's compute capability.</param>
    /// <param name="hopper">Whether it runs the forms for compute capability 9.0.</param>
    /// <param name="kind">The product.</param>
    /// <param name="rows">The rows of the result; of the gradient of weights, the depth.</param>
    /// <param name="columns">The layer's outputs.</param>
    /// <param name="depth">The layer's inputs.</param>
    public ProductForm Choose(Version architecture, bool hopper, ProductKind kind, int rows, int columns, int depth)
    {
        // The columns and depth of a model are few, its rows are as a batch has them.
        const double Weight = 4;
        ProductForm best = ProductForm.Mma;
        double nearest = double.MaxValue;
        foreach (Entry entry in _entries)
        {
            if (entry.Kind != kind || entry.Architecture != architecture || (entry.Form.ForHopper && !hopper)) continue;
            double distance = Ratio(rows, entry.Rows) + (Weight * (Ratio(columns, entry.Columns) + Ratio(depth, entry.Depth)));
            if (distance >= nearest) continue;
            (best, nearest) = (entry.Form, distance);
        }

        return best;
    }

    private static double Ratio(int a, int b) => Math.Abs(Math.Log2((double)a / b));

    private static bool Size(string text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value > 0;

    private static ProductTable ReadEmbedded()
    {
        using Stream stream = typeof(ProductTable).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"{Resource} is not a resource");
        using var reader = new StreamReader(stream);
        return Read(reader.ReadToEnd().Split('\n'), Resource);
    }

    private sealed record Entry(Version Architecture, ProductKind Kind, int Rows, int Columns, int Depth, ProductForm Form);
}
