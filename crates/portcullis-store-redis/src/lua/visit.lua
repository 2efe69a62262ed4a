-- Only looks after the marker.

return answer('')
