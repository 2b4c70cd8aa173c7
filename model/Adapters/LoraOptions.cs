using System.Globalization;
using System.IO.Enumeration;

namespace Dnabert2.Adapters;

/// <summary>
/// Low-rank adaptation (LoRA; Hu et al., arXiv 2106.09685): linear layers of the encoder keep their weights and gain
/// <c>(alpha / r) · dropout(x) Aᵀ Bᵀ</c>. The defaults are those of the paper's further experiments.
/// </summary>
public sealed record LoraOptions
{
    // More than any model has linear layers.
    private const int MaxTargets = 10_000;

    /// <summary>r, the width between the two factors, from 1 to 4,096.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>alpha: with r it gives the factor alpha / r. From 1e-30 to 1e9.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>Dropout before the first factor, in training, from 0 to 0.999.</summary>
    public double Dropout { get; init; } = 0.05;

    /// <summary>
    /// Which layers: the ends of their names, at a dot, with <c>*</c> for anything: <c>attention.self.Wqkv</c>, <c>mlp.*</c>,
    /// <c>layer.0.attention.output.dense</c>. From 1 to 10,000, none of them empty; null: the architecture's own (of DNABERT-2
    /// <c>attention.self.Wqkv</c>, of DNABERT <c>query</c> and <c>value</c>, of the Nucleotide Transformer all linear layers of
    /// the encoder).
    /// </summary>
    public IReadOnlyList<string>? Targets { get; init; }

    internal float Scale => (float)(Alpha / Rank);

    /// <summary>Reads <c>r=8,alpha=16,dropout=0.05,targets=attention.self.Wqkv,mlp.*</c>; what is not named keeps its default.</summary>
    /// <exception cref="ArgumentException">A name is unknown, or a value no number or out of its range.</exception>
    public static LoraOptions Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var options = new LoraOptions();
        List<string>? targets = null;
        foreach (string item in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = item.IndexOf('=', StringComparison.Ordinal);
            string value = item[(equals + 1)..];
            switch (equals < 0 ? null : item[..equals])
            {
                case "r":
                    options = options with
                    {
                        Rank = Number(item, value) is var r && r == Math.Floor(r) && r is >= 1 and <= 4096 ? (int)r : throw Meant(item),
                    };
                    break;
                case "alpha":
                    options = options with { Alpha = Number(item, value) };
                    break;
                case "dropout":
                    options = options with { Dropout = Number(item, value) };
                    break;
                case "targets":
                    targets = [value];
                    break;
                case null when targets is not null:
                    targets.Add(item);
                    break;
                default:
                    throw Meant(item);
            }
        }

        options = targets is null ? options : options with { Targets = targets };
        options.Validate();
        return options;
    }

    /// <summary>Whether a layer, by its whole name, is among the targets of a pattern.</summary>
    internal static bool Matches(string pattern, string layer) =>
        FileSystemName.MatchesSimpleExpression("*." + pattern, "." + layer, ignoreCase: false);

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check("LoRA's r (Rank)", Rank, 1, AdapterConfig.MostRank);
        OptionRange.Check("LoRA's alpha (Alpha)", Alpha, OptionRange.Smallest, AdapterConfig.MostAlpha);
        OptionRange.Check("LoRA's dropout (Dropout)", Dropout, 0, 0.999);
        if (Targets is null) return;
        if (Targets.Count > MaxTargets) throw new ArgumentException($"LoRA has {Targets.Count} Targets; at most {MaxTargets} are allowed");
        if (Targets.Count == 0 || Targets.Any(string.IsNullOrWhiteSpace))
            throw new ArgumentException("LoRA has no Targets, or an empty one: name linear layers, such as attention.self.Wqkv");
    }

    private static double Number(string item, string value) =>
        double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? number : throw Meant(item);

    private static ArgumentException Meant(string item) =>
        new($"'{Excerpt.Of(item)}' is not a LoRA setting; write r=8,alpha=16,dropout=0.05,targets=attention.self.Wqkv,mlp.*, "
            + "where each part may be left out");
}
