using System.Buffers;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// A VCF given back with the rows of the table of variants as fields of its column INFO. All else stays byte for byte: the header, into
/// which the lines of the new fields go, records without a row, other columns, samples, line ends.
/// </summary>
internal sealed class AnnotatedVcf : IRows
{
    private const string Prefix = "DNABERT2_";
    private const int InfoColumn = 7;

    private static ReadOnlySpan<byte> Columns => "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"u8;

    // Columns of the table that say again what is in the record, or what is no value of an allele.
    private static readonly string[] NotFields =
        ["line", "chrom", "pos", "id", "ref", "alt", "reason", "normalized", Strands.Column];

    // Columns that hold something else than numbers, and what is to be said of some.
    private static readonly (string Column, string Type, string What)[] Known =
    [
        ("status", "String", "What became of the allele: scored, or why it is not"),
        ("unknown_bases", "Integer", "Bases of the window that are not A, C, G or T"),
        ("cosine_distance", "Float", "1 - cosine of the mean vectors of the window with the reference and with the alternative allele"),
        ("euclidean_distance", "Float", "Euclidean distance of the mean vectors of the window with the two alleles"),
        ("likelihood_change", "Float", "Log-likelihood with the alternative allele minus that with the reference, nats"),
    ];

    private readonly LineQueue _lines;
    private readonly Stream _output;
    private readonly PlaceIndex? _index;
    private readonly string _name, _note;
    private readonly List<string> _header = [];
    private readonly ArrayBufferWriter<byte> _info = new();
    private InfoField?[] _fields = [];
    private string[] _alternatives = [];
    private string _alternative = "";
    private int _column, _allele, _lineColumn, _alternativeColumn;
    private long _line, _rowLine;
    private bool _isBegun;

    /// <param name="lines">The lines of the VCF, as they are read.</param>
    /// <param name="output">Where it goes.</param>
    /// <param name="name">Its name in messages.</param>
    /// <param name="note">What is said of each field behind what it is; may be empty.</param>
    /// <param name="index">Receives the places of the records, where the output is of bgzip; null: there is no index.</param>
    public AnnotatedVcf(LineQueue lines, Stream output, string name, string note, PlaceIndex? index) =>
        (_lines, _output, _name, _note, _index) = (lines, output, name, note, index);

    /// <inheritdoc/>
    public void Add(ReadOnlySpan<char> text)
    {
        if (!_isBegun)
        {
            _header.Add(text.ToString());
            return;
        }

        if (_column == _alternativeColumn) _alternative = text.ToString();
        _fields[_column++]?.Set(text);
    }

    /// <inheritdoc/>
    public void Add(long value)
    {
        if (_column == _lineColumn) _rowLine = value;
        _fields[_column++]?.Set(value);
    }

    /// <inheritdoc/>
    public void Add(ReadOnlySpan<float> values)
    {
        foreach (float value in values) _fields[_column++]?.Set(value);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidDataException">The file is no VCF, or has a field of these names already.</exception>
    public void EndRow()
    {
        _column = 0;
        if (!_isBegun)
        {
            Begin();
            return;
        }

        if (_rowLine != _line)
        {
            EndRecord();
            while (_lines.Number < _rowLine && _lines.TryPeek(out ReadOnlySpan<byte> line)) Copy(line);
            (_line, _allele) = (_rowLine, 0);
            _alternatives = Peek().Alternative.Split(',');
        }

        while (_allele < _alternatives.Length && _alternatives[_allele] != _alternative) _allele++;
        if (_allele == _alternatives.Length)
            throw new InvalidOperationException($"{_name}: line {_line} has no allele {_alternative} behind the one before");
        foreach (InfoField? field in _fields) field?.EndRow(_allele);
        _allele++;
    }

    /// <inheritdoc/>
    public void Flush()
    {
        EndRecord();
        _lines.Complete();
        while (_lines.TryPeek(out ReadOnlySpan<byte> line)) Copy(line);
        _output.Flush();
    }

    /// <summary>Writes the header, with the lines of the new fields before that of the columns.</summary>
    private void Begin()
    {
        _isBegun = true;
        (_lineColumn, _alternativeColumn) = (_header.IndexOf("line"), _header.IndexOf("alt"));
        var keys = new HashSet<string>(StringComparer.Ordinal);
        _fields =
        [
            .. _header.Select(column => NotFields.Contains(column) ? null : new InfoField(column, KeyOf(column, keys), TypeOf(column))),
        ];
        while (true)
        {
            bool isThere = _lines.TryPeek(out ReadOnlySpan<byte> line);
            ReadOnlySpan<byte> text = line.StartsWith("\uFEFF"u8) ? line[3..] : line;
            if (text.StartsWith("##"u8)) RefuseDeclared(text, keys);
            else if (!text.Trim("\r\n"u8).IsEmpty || !isThere)
            {
                ReadOnlySpan<byte> content = text.TrimEnd("\r\n"u8);
                if (!content.StartsWith(Columns) || (content.Length > Columns.Length && content[Columns.Length] != (byte)'\t'))
                    throw new InvalidDataException(
                        $"{_name}: line {_lines.Number}: is not the line of columns of a VCF, #CHROM to INFO with tabs between them: no "
                        + "VCF can be given back. Write the scores as a table, .tsv or .csv.");
                WriteDeclarations(text.EndsWith("\r\n"u8) ? "\r\n" : "\n");
                _output.Write(line);
                _lines.Take();
                return;
            }

            _output.Write(line);
            _lines.Take();
        }
    }

    /// <summary>The name of a field, of letters, digits, points and underscores, that no other has.</summary>
    private static string KeyOf(string column, HashSet<string> taken)
    {
        var text = new StringBuilder(Prefix);
        foreach (char c in column) text.Append(char.IsAsciiLetterOrDigit(c) || c == '.' ? c : '_');
        string key = text.ToString();
        for (int i = 2; !taken.Add(key); i++) key = $"{text}_{i}";
        return key;
    }

    private static string TypeOf(string column) => Array.Find(Known, known => known.Column == column).Type ?? "Float";

    /// <summary>What a field is, in words without quotes.</summary>
    private string Describe(string column)
    {
        string what = Array.Find(Known, known => known.Column == column).What
            ?? (column.StartsWith("p_", StringComparison.Ordinal) ? $"Probability of the class {column[2..]} with the reference allele"
            : column.StartsWith("change_", StringComparison.Ordinal) ? $"Change by the alternative allele of {column[7..]}"
            : $"Column {column} of dnabert2 variants");
        string text = _note.Length > 0 ? $"{what}; {_note}" : what;
        return string.Concat(text.Select(c => char.IsControl(c) || c is '"' or '\\' ? '_' : c));
    }

    private void WriteDeclarations(string lineEnd)
    {
        for (int i = 0; i < _fields.Length; i++)
        {
            if (_fields[i] is not { } field) continue;
            _output.Write(Encoding.UTF8.GetBytes(
                $"##INFO=<ID={field.Key},Number=A,Type={TypeOf(_header[i])},Description=\"{Describe(_header[i])}\",Source=\"dnabert2\">"
                + lineEnd));
        }
    }

    private void RefuseDeclared(ReadOnlySpan<byte> line, HashSet<string> keys)
    {
        ReadOnlySpan<byte> start = "##INFO=<ID="u8;
        if (!line.StartsWith(start)) return;
        line = line[start.Length..];
        int end = line.IndexOfAny(",>"u8);
        string key = Encoding.UTF8.GetString(end < 0 ? line : line[..end]);
        if (keys.Contains(key)) throw AlreadyThere(key, keys);
    }

    private InvalidDataException AlreadyThere(string key, IEnumerable<string> keys) => new(
        $"{_name}: line {_lines.Number}: INFO/{key} is there already, as it is in a file that was scored before. Take such fields out: "
        + $"bcftools annotate -x {string.Join(',', keys.Select(k => "INFO/" + k))} old.vcf.gz");

    /// <summary>The record of the row, whose line was read: where it has no end, it is the last one.</summary>
    private VcfRecord Peek()
    {
        if (!_lines.TryPeek(out _)) _lines.Complete();
        if (!_lines.TryPeek(out ReadOnlySpan<byte> line) || _lines.Number != _line)
            throw new InvalidOperationException($"{_name}: line {_line} is not there");
        return VcfRecord.Of(line, _line);
    }

    /// <summary>Where the next byte goes, in a file of bgzip.</summary>
    private ulong Place => _output is BgzfWriter blocks ? blocks.Place : 0;

    /// <summary>Writes the record to which values belong.</summary>
    private void EndRecord()
    {
        if (_line == 0) return;
        VcfRecord record = Peek();
        _lines.TryPeek(out ReadOnlySpan<byte> line);
        if (record.Info is not { } place)
            throw new InvalidDataException(
                $"{_name}: line {_line}: it ends before column {InfoColumn + 1}, INFO. Complete the line, or write the scores as a table.");
        ReadOnlySpan<byte> former = line[place];
        RefuseField(former);
        _info.ResetWrittenCount();
        if (!former.IsEmpty && !former.SequenceEqual("."u8)) _info.Write(former);
        int before = _info.WrittenCount, alleles = _alternatives is ["."] ? 0 : _alternatives.Length;
        foreach (InfoField? field in _fields) field?.EndRecord(_info, alleles);
        if (_info.WrittenCount == before) Copy(line);
        else
        {
            ulong from = Place;
            _output.Write(line[..place.Start]);
            _output.Write(_info.WrittenSpan);
            _output.Write(line[place.End..]);
            _index?.Add(record, from, Place);
            _lines.Take();
        }

        _line = 0;
    }

    /// <summary>Refuses a record that has one of the fields, though the header does not declare it.</summary>
    private void RefuseField(ReadOnlySpan<byte> info)
    {
        if (info.IndexOf("DNABERT2_"u8) < 0) return;
        foreach (Range part in info.Split((byte)';'))
        {
            ReadOnlySpan<byte> entry = info[part];
            int end = entry.IndexOf((byte)'=');
            string key = Encoding.UTF8.GetString(end < 0 ? entry : entry[..end]);
            if (Array.Exists(_fields, field => field?.Key == key))
                throw AlreadyThere(key, _fields.OfType<InfoField>().Select(field => field.Key));
        }
    }

    /// <summary>Writes a line as it stands.</summary>
    private void Copy(ReadOnlySpan<byte> line)
    {
        ulong from = Place;
        _output.Write(line);
        if (_index is not null && !line.Trim("\r\n"u8).IsEmpty) _index.Add(VcfRecord.Of(line, _lines.Number), from, Place);
        _lines.Take();
    }
}
