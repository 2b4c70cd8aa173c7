using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Dnabert2.Sequences;

/// <summary>
/// Reads variants from VCF 4 or from a table with tabs whose first line names the columns <c>chrom</c>, <c>pos</c>, <c>ref</c>,
/// <c>alt</c> and, if there is one, <c>id</c>; gzipped or not. The columns of a VCF are known by their places: its first line is
/// <c>#CHROM POS ID REF ALT</c>, and what comes after may have any name. A line with several alternative alleles, separated by commas,
/// gives a variant for each. Other columns are passed over, unless fields are asked for by name: keys of the column INFO of a VCF, or
/// columns of a table. Memory does not depend on the number of lines.
/// </summary>
/// <remarks>For one thread. What is wrong with the content comes out as <see cref="InvalidDataException"/> and nothing else.</remarks>
public sealed class VariantReader : IDisposable
{
    // What no allele needs is a sign of a wrong or damaged file.
    private const int LongestField = 1 << 20, MostNames = 1000;
    private static readonly string[] Needed = ["chrom", "pos", "ref", "alt"], OfVcf = ["#chrom", "pos", "id", "ref", "alt"],
        BeforeSamples = ["qual", "filter", "info"];

    private readonly Faults _faults;
    private readonly ByteSource _source;
    private readonly ArrayBufferWriter<byte> _text = new(), _info = new();
    private readonly List<string> _fields = [];
    private readonly Queue<Variant> _alleles = new();
    private readonly VariantContigs _contigs = new();
    private readonly int _chromosome, _position, _reference, _alternative, _id, _needed, _columns;
    private readonly string[] _asked;
    private readonly byte[][] _keys = [];
    private readonly int[] _places = [];
    private bool _isVcf;
    private int _infoColumn = -1;

    private VariantReader(
        Stream stream, bool leaveOpen, string name, IReadOnlyList<string>? fields, CancellationToken cancellation, Stream? copy = null)
    {
        Name = name;
        _asked = fields is null ? [] : [.. fields];
        _faults = new Faults(name, new RecordDraft());
        _source = new ByteSource(stream, leaveOpen, _faults, cancellation, copy);
        try
        {
            string[] header = ReadHeader();
            (_chromosome, _position, _reference, _alternative) =
                (Column(header, 0), Column(header, 1), Column(header, 2), Column(header, 3));
            _id = Array.IndexOf(header, "id");
            _needed = 1 + Math.Max(Math.Max(Math.Max(_chromosome, _position), Math.Max(_reference, _alternative)), _id);
            if (_isVcf) _keys = Array.ConvertAll(_asked, Encoding.UTF8.GetBytes);
            else _places = Array.ConvertAll(_asked, field => PlaceOf(header, field));
            _columns = Math.Max(Math.Max(_needed, _infoColumn + 1), _places.Length == 0 ? 0 : _places.Max() + 1);
        }
        catch
        {
            _source.Dispose();
            throw;
        }
    }

    /// <summary>The file's name in messages.</summary>
    public string Name { get; }

    /// <summary>The sequences that the header of a VCF gives with their numbers of bases, in its lines <c>##contig</c>.</summary>
    public IReadOnlyList<(string Name, long Length)> Contigs => _contigs.All;

    /// <summary>Variants read so far; a line with several alternative alleles has as many.</summary>
    public long VariantsRead { get; private set; }

    /// <summary>Bytes of the file consumed so far, as stored (compressed), for progress.</summary>
    public long BytesRead => _source.BytesRead;

    /// <summary>Bytes of the file in all, as stored; null where unknown, as for a pipe.</summary>
    public long? TotalBytes => _source.TotalBytes;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fields">See <see cref="Open(Stream, string, bool, IReadOnlyList{string}?, CancellationToken)"/>.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="IOException">There is no such file, the path is a folder, or reading failed.</exception>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, line and remedy.</exception>
    public static VariantReader Open(string path, IReadOnlyList<string>? fields = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path)) throw new IOException($"{path}: is a folder; name a file in it");
        var file = new FileStream(path, new FileStreamOptions { BufferSize = 1 << 16, Options = FileOptions.SequentialScan });
        return new VariantReader(file, leaveOpen: false, path, fields, cancellation);
    }

    /// <summary>Opens a stream.</summary>
    /// <param name="stream">Stored bytes, gzipped or not.</param>
    /// <param name="name">The name in messages.</param>
    /// <param name="leaveOpen">Whether the stream outlives the reader.</param>
    /// <param name="fields">
    /// What else is wanted of each line, for <see cref="Variant.Fields"/>: keys of the column INFO of a VCF, of which one with as many
    /// values as there are alternative alleles is of each of them; columns of a table. Null: nothing.
    /// </param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">
    /// The content is at fault, or it has no column INFO or none of a name that is asked for; the message names file, line and remedy.
    /// </exception>
    public static VariantReader Open(
        Stream stream, string name, bool leaveOpen = true, IReadOnlyList<string>? fields = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return new VariantReader(stream, leaveOpen, name, fields, cancellation);
    }

    /// <summary>Opens a stream whose content is also kept as it stands.</summary>
    /// <param name="stream">Stored bytes, gzipped or not.</param>
    /// <param name="name">The name in messages.</param>
    /// <param name="copy">Receives the content, decompressed, as it is read; when a variant is given, its line is there.</param>
    /// <param name="leaveOpen">Whether the stream outlives the reader.</param>
    /// <param name="fields">As above.</param>
    /// <param name="cancellation">Ends the reading with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="InvalidDataException">As above.</exception>
    internal static VariantReader Open(
        Stream stream, string name, Stream? copy, bool leaveOpen, IReadOnlyList<string> fields, CancellationToken cancellation) =>
        new(stream, leaveOpen, name, fields, cancellation, copy);

    /// <summary>Reads the next variant; false at the end of the file.</summary>
    /// <exception cref="InvalidDataException">The line is at fault; the message names file, line and remedy.</exception>
    /// <exception cref="OperationCanceledException">The token given on opening was cancelled.</exception>
    public bool TryRead([NotNullWhen(true)] out Variant? variant)
    {
        while (_alleles.Count == 0)
        {
            SkipBlankLines();
            variant = null;
            if (!_source.HasMore) return false;
            ReadLine();
        }

        variant = _alleles.Dequeue();
        VariantsRead++;
        return true;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _source.Dispose();

    private void ReadLine()
    {
        long line = _source.Line;
        ReadFields(_columns);
        if (_fields.Count < _needed)
            throw _faults.Line(line, $"{_fields.Count} columns, but {_needed} are needed",
                "Columns are separated by tabs; complete the line or remove it");
        string place = _fields[_position], reference = _fields[_reference];
        if (!long.TryParse(place, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long position))
            throw _faults.Line(line, $"the position '{Faults.Show(place)}' is not a whole number",
                "Positions count bases from 1; correct the line or remove it");
        if (_fields[_chromosome].Length == 0 || reference.Length == 0)
            throw _faults.Line(line, "the chromosome or the reference allele is empty", "Correct the line or remove it");
        string id = _id < 0 || _fields[_id].Length == 0 ? "." : _fields[_id];
        string[] alleles = _fields[_alternative].Split(',');
        for (int i = 0; i < alleles.Length; i++)
        {
            if (alleles[i].Length == 0)
                throw _faults.Line(
                    line, "an alternative allele is empty", "Write '.' where there is none; alleles are separated by one comma");
            bool symbolic = _infoColumn >= 0 && alleles[i][0] == '<';
            _alleles.Enqueue(new Variant(line, _fields[_chromosome], position, id, reference, alleles[i])
            {
                End = symbolic ? VariantInfo.NumberOf(_info.WrittenSpan, "END"u8, i, alleles.Length, _faults, line) : null,
                Length = symbolic ? VariantInfo.NumberOf(_info.WrittenSpan, "SVLEN"u8, i, alleles.Length, _faults, line) : null,
                Fields = AskedOf(i, alleles.Length, line),
            });
        }
    }

    /// <summary>What was asked for of the line, for one of its alleles.</summary>
    private string[] AskedOf(int allele, int alleles, long line)
    {
        if (_asked.Length == 0) return [];
        string[] values = new string[_asked.Length];
        for (int i = 0; i < values.Length; i++)
        {
            if (!_isVcf) values[i] = _places[i] < _fields.Count ? _fields[_places[i]] : "";
            else values[i] = FileText.Decode(
                VariantInfo.PartOf(VariantInfo.ValueOf(_info.WrittenSpan, _keys[i]), allele, alleles), _faults, line, "the column INFO");
        }

        return values;
    }

    /// <summary>The place of a column that is asked for.</summary>
    private int PlaceOf(string[] header, string field)
    {
        string name = field.Trim().ToLowerInvariant();
        int first = Array.IndexOf(header, name);
        if (first < 0)
            throw _faults.File(
                $"there is no column '{Faults.Show(field)}'", $"It has {Faults.Show(string.Join(", ", header), 200)}; name one of these");
        if (Array.LastIndexOf(header, name) != first)
            throw _faults.File($"two columns are named '{Faults.Show(name)}'", "Rename one of them");
        return first;
    }

    private string[] ReadHeader()
    {
        if (!_source.HasMore) throw _faults.File("the file is empty", "Give a VCF, or a table with the columns chrom, pos, ref and alt");
        while (_source.Window.Length < 1 << 12 && _source.FillMore()) { }
        if (_source.Window[..Math.Min(_source.Window.Length, 1 << 12)].Contains((byte)0))
            throw _faults.File("this is binary data, not text", _source.Window.StartsWith("BCF"u8)
                ? "It is BCF: convert it with 'bcftools view'"
                : "Give a VCF, or a table with the columns chrom, pos, ref and alt, gzipped or not");
        SkipBlankLines();
        while (IsMetaLine())
        {
            _contigs.ReadLine(_source);
            SkipBlankLines();
        }

        if (!_source.HasMore)
            throw _faults.File("there is no line with the names of the columns", "A VCF has one that begins with '#CHROM'");
        long line = _source.Line;
        ReadFields(MostNames, areNames: true);
        string[] header = [.. _fields.Select(name => name.Trim().ToLowerInvariant())];
        if (header.AsSpan().StartsWith(OfVcf))
        {
            _isVcf = true;
            if (header.AsSpan(OfVcf.Length).StartsWith(BeforeSamples)) _infoColumn = OfVcf.Length + BeforeSamples.Length - 1;
            else if (_asked.Length > 0)
                throw _faults.Line(
                    line, $"there is no column INFO, of which '{Faults.Show(_asked[0])}' is asked for",
                    "The columns QUAL, FILTER and INFO follow ALT; take the file as its program wrote it");
            // The names of samples, which follow, are free.
            header = header[..OfVcf.Length];
        }

        header[0] = header[0].TrimStart('#');
        foreach (string name in Needed)
        {
            if (header.Contains(name)) continue;
            throw _faults.Line(line, $"there is no column '{name}'; the line begins '{Faults.Show(string.Join(' ', _fields))}'",
                "Give a VCF, or a table whose first line names the columns chrom, pos, ref and alt, separated by tabs");
        }

        return header;
    }

    private int Column(string[] header, int needed)
    {
        int first = Array.IndexOf(header, Needed[needed]);
        if (Array.LastIndexOf(header, Needed[needed]) != first)
            throw _faults.File($"two columns are named '{Needed[needed]}'", "Rename one of them");
        return first;
    }

    private bool IsMetaLine()
    {
        while (_source.Window.Length < 2 && _source.FillMore()) { }
        return _source.Window.StartsWith("##"u8);
    }

    private void SkipBlankLines()
    {
        for (int length; (length = _source.LineEnd()) > 0;) _source.SkipLineEnd(length);
    }

    /// <summary>Reads a line into its first fields; the rest of it is passed over.</summary>
    private void ReadFields(int most, bool areNames = false)
    {
        long line = _source.Line;
        _fields.Clear();
        _info.ResetWrittenCount();
        while (_source.TryReadPiece(out ReadOnlySpan<byte> piece))
        {
            while (_fields.Count < most)
            {
                int tab = piece.IndexOf((byte)'\t');
                Add(tab < 0 ? piece : piece[..tab], line);
                if (tab < 0) break;
                _fields.Add(Take(line, areNames));
                piece = piece[(tab + 1)..];
            }
        }

        if (_fields.Count < most) _fields.Add(Take(line, areNames));
    }

    private void Add(ReadOnlySpan<byte> piece, long line)
    {
        if (_text.WrittenCount + piece.Length > LongestField)
            throw _faults.Line(line, $"a field is longer than {LongestField} bytes",
                "Check that the file is a VCF or a table with tabs, and that its line ends are whole");
        _text.Write(piece);
    }

    private string Take(long line, bool isName)
    {
        if (_text.WrittenSpan.Contains((byte)'\r')) throw _faults.LoneCarriageReturn(line);
        if (_infoColumn >= 0 && _fields.Count >= OfVcf.Length)
        {
            // What is in the columns after the alleles may be in any encoding; of INFO what is asked for is taken by its keys.
            if (_fields.Count == _infoColumn) _info.Write(_text.WrittenSpan);
            _text.ResetWrittenCount();
            return "";
        }

        // Names of columns that are needed are ASCII; those of samples may be in any encoding.
        string text = isName
            ? FileText.DecodeRemark(_text.WrittenSpan, _faults, line, "the name of a column")
            : FileText.Decode(_text.WrittenSpan, _faults, line, "a field");
        _text.ResetWrittenCount();
        return text;
    }
}
