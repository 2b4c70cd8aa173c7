using System.Text;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Tests.Weights;

public sealed class SafetensorsReaderTests
{
    private static byte[] File(string header, int dataBytes, ulong? length = null)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes(length ?? (ulong)utf8.Length), .. utf8, .. Enumerable.Range(0, dataBytes).Select(i => (byte)i)];
    }

    private static string Tensor(string name, string dtype, string shape, long begin, long end) =>
        $"\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}";

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "truncated")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "cover 4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8,
        "within the tensor before")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4,
        "within the tensor before")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "[begin, end]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}""", 4, "[begin, end]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "does not fill its 8 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "does not fill")]
    [InlineData("""{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}""", 0, "does not fill")]
    [InlineData("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1, "does not fill")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}}""", 4, "integers")]
    [InlineData("""{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "not an array")]
    [InlineData("""{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype 'f32'")]
    [InlineData("""{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}""", 4, "not a string")]
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, "lacks")]
    [InlineData("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "lacks")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}}""", 4, "'strides'")]
    [InlineData("""{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "'dtype'")]
    [InlineData(
        """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8,
        "'a' twice")]
    [InlineData("""{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "without a name")]
    [InlineData("""{"a":[0,4]}""", 4, "object")]
    [InlineData("""{"__metadata__":{"n":1}}""", 0, "'n' is not a string")]
    [InlineData("""{"__metadata__":{"n":{"m":"x"}}}""", 0, "'n' is not a string")]
    [InlineData("""{"__metadata__":"x"}""", 0, "object of strings")]
    [InlineData("""{"__metadata__":{"n":"1","n":"2"}}""", 0, "'n' twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "twice")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}""", 4, "JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}""", 4, "JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}/**/}""", 4, "JSON")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}""", 4, "JSON")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "escape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[[[[[1]]]]],"data_offsets":[0,4]}}""", 4, "integers")]
    public void A_header_that_contradicts_the_format_is_refused_with_its_fault(string header, int dataBytes, string fault)
    {
        using var folder = new TempFolder();
        Assert.Contains(fault, folder.Refusal(File(header, dataBytes)));
    }

    [Theory]
    [InlineData(100_000_001, "at most 100000000")]
    [InlineData(ulong.MaxValue, "at most 100000000")]
    [InlineData(1ul << 63, "at most 100000000")]
    [InlineData(100_000_000, "truncated")]
    [InlineData(3, "truncated")]
    [InlineData(1, "no JSON object")]
    [InlineData(0, "no JSON object")]
    public void An_absurd_header_length_is_refused_before_anything_is_read(ulong length, string fault)
    {
        using var folder = new TempFolder();
        Assert.Contains(fault, folder.Refusal(File("{}", 0, length)));
    }

    [Fact]
    public void Text_that_is_not_UTF8_and_what_follows_the_object_are_refused()
    {
        using var folder = new TempFolder();
        byte[] latin = File("""{"__metadata__":{"x":"?"}}""", 0);
        latin[Array.IndexOf(latin, (byte)'?')] = 0xe9;
        Assert.Contains("UTF-8", folder.Refusal(latin));
        Assert.Contains("JSON", folder.Refusal(File("{} \0", 0)));
        Assert.Contains("JSON", folder.Refusal(File("{}{}", 0)));
    }

    [Fact]
    public void Scalars_empty_tensors_and_ranks_above_four_are_listed_and_read()
    {
        using var folder = new TempFolder();
        string wide = string.Join(',', Enumerable.Repeat("1", 64));
        string header = "{" + string.Join(',',
            Tensor("empty", "F32", "3,0", 0, 0), Tensor("scalar", "U8", "", 0, 1), Tensor("odd", "F32", "1,1,2,1,1", 1, 9),
            Tensor("wide", "U8", wide, 9, 10), Tensor("long", "U8", "0,4294967296", 10, 10),
            Tensor("huge", "U8", "2147483647,2147483647,2147483647,0", 10, 10)) + "}  ";
        using WeightFile file = WeightFile.Open(folder.Write("x", File(header, 10)));
        Assert.Equal(["empty", "scalar", "odd", "wide", "long", "huge"], file.Names());
        Assert.Equal([1L, 0, 2, 1, 0, 0], file.Entries.OrderBy(e => "seowlh".IndexOf(e.Name[0])).Select(e => e.Count));
        Assert.Equal(new Shape(3, 0), file.Entries[0].Shape);
        Assert.Equal(0, file.Entries[1].Shape!.Value.Rank);
        Assert.All(file.Entries.Skip(2), e => Assert.Null(e.Shape));
        Assert.Empty(file.Values("empty"));
        Assert.Equal([0], file.Bytes("scalar"));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], file.Bytes("odd")); // Four-byte elements from an odd address on.
        Assert.Equal([BitConverter.ToSingle([1, 2, 3, 4]), BitConverter.ToSingle([5, 6, 7, 8])], file.Values("odd"));
    }

    [Fact]
    public void More_than_64_dimensions_are_refused()
    {
        using var folder = new TempFolder();
        Assert.Contains(
            "64 dimensions", folder.Refusal(File("{" + Tensor("a", "U8", string.Join(',', Enumerable.Repeat("1", 65)), 0, 1) + "}", 1)));
    }

    [Fact]
    public void A_type_the_engine_lacks_is_listed_and_copied_and_refused_by_name_when_read_as_numbers()
    {
        using var folder = new TempFolder();
        string header = "{" + Tensor("position_ids", "I64", "1,2", 0, 16) + "," + Tensor("mask", "BOOL", "1", 16, 17) + ","
            + Tensor("packed", "F4", "4", 17, 19) + "}";
        string path = folder.Write("x", File(header, 19));
        using WeightFile file = WeightFile.Open(path);
        Assert.Equal(["I64", "BOOL", "F4"], file.Entries.Select(e => e.TypeName));
        Assert.All(file.Entries, e => Assert.Null(e.DType));
        string message = Assert.Throws<InvalidDataException>(() => file.Values("position_ids")).Message;
        Assert.StartsWith(path, message);
        Assert.Contains("'position_ids' is I64", message);
        file.SaveAsSafetensors(folder["y"]);
        using WeightFile copy = WeightFile.Open(folder["y"]);
        foreach (WeightEntry entry in file.Entries) Assert.Equal(file.Bytes(entry.Name), copy.Bytes(entry.Name));
        Assert.Equal([0, 1, 2, 3], copy.Bytes("position_ids")[..4]);
    }

    [Fact]
    public void Reading_into_a_wrong_size_or_from_another_file_is_misuse()
    {
        using var folder = new TempFolder();
        byte[] bytes = File("{" + Tensor("a", "F32", "2", 0, 8) + "}", 8);
        using WeightFile one = WeightFile.Open(folder.Write("one", bytes));
        using WeightFile two = WeightFile.Open(folder.Write("two", bytes));
        Assert.Throws<ArgumentException>(() => one.Read(one.Entries[0], new float[1]));
        Assert.Throws<ArgumentException>(() => one.Read(one.Entries[0], new float[3]));
        Assert.Throws<ArgumentException>(() => one.ReadRaw(one.Entries[0], new byte[9]));
        Assert.Throws<ArgumentException>(() => one.Read(two.Entries[0], new float[2]));
        Assert.False(one.TryGet("b", out _));
    }

    [Fact]
    public void What_is_no_weight_file_is_told_apart_by_its_content()
    {
        using var folder = new TempFolder();
        Assert.Contains("is empty", folder.Refusal([]));
        Assert.Contains("git lfs pull", folder.Refusal("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"u8));
        Assert.Contains("not a weight file", folder.Refusal("<!DOCTYPE html><html>"u8));
        Assert.Contains("not a weight file", folder.Refusal("{}"u8));
        Assert.Contains("not a weight file", folder.Refusal([1, 2, 3]));
        Assert.Throws<FileNotFoundException>(() => WeightFile.Open(folder["missing"]));
        Assert.Throws<DirectoryNotFoundException>(() => WeightFile.Open(folder["missing/file"]));
        Assert.Contains("is a folder", Assert.Throws<IOException>(() => WeightFile.Open(folder["."])).Message);
    }

    [Fact]
    public void A_hostile_name_reaches_a_message_cut_and_without_control_characters()
    {
        using var folder = new TempFolder();
        string message = folder.Refusal(File("{" + Tensor("\\u001b[2J" + new string('x', 5000), "F32", "1", 4, 8) + "}", 8));
        Assert.DoesNotContain('\u001b', message);
        Assert.True(message.Length < 500, message);
    }

    [Theory]
    [InlineData(0x80)]
    [InlineData(0x04034b50)]
    public void A_header_length_that_looks_like_another_format_does_not_mislead(int length)
    {
        using var folder = new TempFolder();
        int spaces = length - "{}".Length;
        using WeightFile file = WeightFile.Open(folder.Write("x", File("{}" + new string(' ', spaces), 0)));
        Assert.Equal(WeightFormat.Safetensors, file.Format);
        Assert.Empty(file.Entries);
    }
}
