using Dnabert2.FineTuning;

namespace Dnabert2.Tool;

/// <summary>
/// Predictions as text: <c>id</c>, <c>label</c>, the probability of each class in a column <c>p_</c> with its name, <c>truncated</c> (0 or
/// 1); in regression <c>id</c>, <c>value</c>, <c>truncated</c>.
/// </summary>
internal sealed class PredictionTable
{
    private readonly RowWriter _rows;
    private readonly bool _labels;

    public PredictionTable(Stream stream, char separator, ClassifierModel model)
    {
        (_rows, _labels) = (new RowWriter(stream, separator), model.Kind != TaskKind.Regression);
        _rows.Add("id");
        _rows.Add(_labels ? "label" : "value");
        foreach (string name in model.Names) _rows.Add($"p_{name}");
        _rows.Add("truncated");
        _rows.EndRow();
    }

    /// <summary>Writes a row.</summary>
    public void Write(Prediction prediction)
    {
        _rows.Add(prediction.Id);
        if (_labels) _rows.Add(prediction.Label);
        _rows.Add(prediction.Outputs.Span);
        _rows.Add(prediction.Truncated ? 1 : 0);
        _rows.EndRow();
    }

    /// <summary>Hands everything on.</summary>
    public void Flush() => _rows.Flush();
}
