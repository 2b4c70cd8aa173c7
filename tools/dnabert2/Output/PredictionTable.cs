using Dnabert2.FineTuning;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Predictions as text: <c>id</c>, <c>label</c>, the probability of each class in a column <c>p_</c> with its name, <c>truncated</c> (yes
/// or no); in regression <c>id</c>, <c>value</c> or <c>value_1</c>, <c>value_2</c>, …, <c>truncated</c>. Of regions and windows their place
/// follows the id. Of averages over both strands a column says so, and of several files a last column <c>source</c> names that of the row.
/// </summary>
internal sealed class PredictionTable
{
    private readonly RowWriter _rows;
    private readonly bool _labels, _bothStrands, _severalFiles, _regions;

    public PredictionTable(
        RowWriter rows, ClassifierModel model, bool bothStrands, bool severalFiles, bool regions)
    {
        (_rows, _labels) = (rows, model.Kind != TaskKind.Regression);
        (_bothStrands, _severalFiles, _regions) = (bothStrands, severalFiles, regions);
        _rows.Add("id");
        foreach (string column in regions ? RegionColumns.Names : []) _rows.Add(column);
        if (_labels) _rows.Add("label");
        foreach (string name in model.Outputs) _rows.Add(_labels ? $"p_{name}" : name);
        _rows.Add("truncated");
        if (bothStrands) _rows.Add(Strands.Column);
        if (severalFiles) _rows.Add("source");
        _rows.EndRow();
    }

    /// <summary>Writes a row.</summary>
    public void Write(Prediction prediction)
    {
        _rows.Add(prediction.Id);
        if (_regions) RegionColumns.Add(_rows, prediction.Region!);
        if (_labels) _rows.Add(prediction.Label);
        _rows.Add(prediction.Outputs.Span);
        _rows.Add(prediction.Truncated);
        if (_bothStrands) _rows.Add(Strands.Both);
        if (_severalFiles) _rows.Add(prediction.Source);
        _rows.EndRow();
    }
}
