using System.Xml.Linq;
using Dnabert2;

namespace Tests.Model;

public class XmlTextTests
{
    [Fact]
    public void Text_of_a_file_is_well_formed_in_a_picture_or_a_page_whatever_it_holds()
    {
        for (int c = 0; c <= char.MaxValue; c++)
        {
            string text = $"a{(char)c}b", read = XElement.Parse($"<text title=\"{XmlText.Of(text)}\">{XmlText.Of(text)}</text>").Value;
            // Control characters, halves of pairs and two that are no characters have no place in XML 1.0.
            bool isText = !char.IsControl((char)c) && !char.IsSurrogate((char)c) && c is not (0xFFFE or 0xFFFF);
            Assert.Equal(isText ? text : char.IsSurrogate((char)c) ? "a\uFFFDb" : "a?b", read);
        }
    }
}
